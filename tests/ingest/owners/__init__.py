"""What poll and fetch decide: pure, without a broker."""

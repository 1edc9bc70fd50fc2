"""materialise."""

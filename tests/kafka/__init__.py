"""Delivery: the partition owner on the real broker."""

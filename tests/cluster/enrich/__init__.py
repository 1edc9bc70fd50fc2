"""Enrich on the real broker."""

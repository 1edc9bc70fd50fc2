"""Tests of the rows: what the topics say is what Postgres holds."""

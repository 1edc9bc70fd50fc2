"""Kafka as Slugline uses it: the partition owner, topics' settings, dead letters."""

"""What every service shares: contracts, topics, the partition owner, ids, settings, logging, metrics.

Comes in: nothing. Goes out: nothing. It imports no service, and connects to nothing when imported.
"""

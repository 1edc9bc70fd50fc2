"""Webhooks: other programs are told of a feed's changes, signed.

Comes in: `webhook_pending`, which `materialise` writes together with the feeds' entries. Goes out: signed POSTs, as Standard Webhooks
(standardwebhooks.com) has them. Promises: each story's latest state is told at least once, a story's events come in order, an event
keeps its id over retries, a slow or dead endpoint delays nothing but itself, and a crash loses nothing.
"""

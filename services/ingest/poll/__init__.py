"""Polls feeds and finds out which items are new or changed.

In: `feeds.v1` (a feed's partition owner polls it). Out: `discoveries.v1`, keyed by the article's host.
Polls are spread over time by each feed's own interval; an item is discovered once, and again when the feed changes it.
What was seen, validators and intervals are state in `poll-state.v1`, so that a crash repeats a poll and loses nothing.
"""

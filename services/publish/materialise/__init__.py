"""Materialise: keeps the rows of Postgres equal to what the topics say.

In: feeds.v1, articles.v1, stories.v1, story_members.v1, story_updates.v1 and story_briefs.v1. Out: rows, and what is derived from
them (feeds' entries, the queue of briefs to make), with the consumed offsets in the same transaction.
Promises: topics may come in any order and in batches of any size, records twice and processes may be killed at any moment; the rows
end the same. A record that can't be stored becomes a dead letter. Two at once are safe: the second waits.
"""

"""Publish: what people and programs see of stories.

In: the topics of ingest and cluster. Out: rows in Postgres, `story_briefs.v1`, pages, feeds, an API and a stream.
`materialise` keeps the rows equal to the topics, `brief` makes cited briefs, `feeds` ranks and defines lists, `read` asks the
rows, and `web` shows them. Promises: rows and offsets commit together, no sentence cites what is no longer a member, and a page
tells how old it is.
"""

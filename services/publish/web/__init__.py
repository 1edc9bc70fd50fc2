"""Web: stories as pages, JSON, a stream of events, and feeds in RSS, Atom and JSON.

Comes in: HTTP requests; rows of Postgres. Goes out: answers, and one event for every revision of every story.
It promises: what a page, the API and a feed say of a story comes from the same rows; no sentence of an article that left its story is
shown; a listener that resumes with its last event id misses nothing and gets nothing twice, or is told to start anew.
"""

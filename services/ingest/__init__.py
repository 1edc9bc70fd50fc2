"""Ingest: from an outlet's feeds and pages to articles.

In: feeds (`feeds.v1`), their documents and pages over HTTP, posted and replayed articles.
Out: `discoveries.v1` (what a feed lists) and `articles.v1` (each article once, in dense versions).
Promises: one identity an article however many feeds carry it; politeness; nothing hostile gets past `http`,
`feeds` and `extraction`; what is refused is refused with a stable reason.
"""

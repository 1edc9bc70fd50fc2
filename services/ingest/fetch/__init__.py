"""Turns discoveries into articles with one identity and dense versions.

In: `discoveries.v1` (the owner of a host's partition fetches the host's pages). Out: `articles.v1`, keyed by article_id.
An article is fetched once however many feeds carry it; a changed text is its next version; a page that is gone withdraws it.
What can't be had by fetching is published with the feed's own text, or becomes a dead letter that says why.
Pending fetches and versions are state in `fetch-state.v1`, so that a crash repeats a fetch and loses nothing.
"""

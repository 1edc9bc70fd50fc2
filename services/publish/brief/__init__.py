"""Brief: makes a story's cited brief from its articles' sentences.

In: a story's state and its present articles. Out: `story_briefs.v1`, one Brief a story, compacted.
Promises: no sentence is invented, every sentence cites all articles that state it and none that does not,
and the same articles give the same bytes. `compose.compose` is the whole of it, pure; `app` is the worker's edge.
An article's sentences go `split` → `read` → `support` → `select` → `group` → `head` → `compose`.
"""

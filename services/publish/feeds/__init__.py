"""Feeds: the lists of stories that readers follow.

Comes in: the rows that `materialise` keeps. Goes out: ranks, the order of a page, and feeds in RSS, Atom and JSON.
A story's rank never needs rewriting because time passed; it changes only when the story does.
"""

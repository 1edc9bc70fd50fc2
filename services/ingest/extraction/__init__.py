"""Reading an article page: text, title, authors, time, language, in a subprocess that can be killed.

Nothing is imported here: the subprocess does without what `pool` needs.
"""

"""Gives each article what clustering sees of it.

In: `articles.v1`. Out: `story_inputs.v1` (kind `article`), on the partition of the article's language.
It is stateless and at least once: a repeated version is ignored by `assign`. Only committed articles are read.
A record that is no Article becomes a dead letter; a fault of the broker is waited out; a bug ends the process.
"""

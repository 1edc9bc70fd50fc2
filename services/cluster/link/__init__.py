"""Finds stories that tell the same event in different languages.

In: `stories.v1` (what stories are, and which links they have) and `story_inputs.v1` (their articles' features).
Out: `story_inputs.v1`, a `link` input to each of the two stories' partitions, so that each tells of it in a revision of its own.
Promises: what is linked stands in the stories alone, so a start knows it again, two processes do no harm, and a finding that was
lost is made again; a story is linked with at most one open story of each other language, and each is the other's best.
"""

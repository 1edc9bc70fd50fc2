"""The kept history clustered again beside the live system, and the difference told as ordinary commands.

In: `assign-state.v1` (what stands now, editors' ties too), `story_inputs.v1` (features), `articles.v1` (texts, where features are missing).
Out: a folder with the new grouping; on request, commands in `story_inputs.v1` that bring the stories there.
Promises: reading takes part in no consumer group and writes nothing; a command of a rebuild breaks no editor's tie; applying again
does nothing more.
"""

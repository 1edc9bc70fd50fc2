"""The database schema's steps, forward only, each an Alembic revision whose SQL stands in the file beside it.

A step only adds (a table, a column with a default, an index, a view); what is no longer used goes a release later, so that
the code of the release before works while a new one starts.
"""

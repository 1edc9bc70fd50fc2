"""The whole pipeline: real services as processes, the real broker and database."""

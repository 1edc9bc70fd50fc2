-- The trace that a story's brief continues; null where none is kept.
ALTER TABLE brief_queue ADD COLUMN traceparent text;

-- The oldest rows, found without looking at others; the first holds only those that have a text still.
CREATE INDEX articles_with_text ON articles (fetched_at) WHERE text <> '';
CREATE INDEX articles_age ON articles (fetched_at);
CREATE INDEX stories_age ON stories (appended_at);

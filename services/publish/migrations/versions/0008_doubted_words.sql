-- Words of search_words whose headline is gone: whether another has them still is looked up when rows are retired, not while rows are
-- written. doubts counts how often, so that a word that is doubted again during the look-up is looked up again.
CREATE TABLE doubted_words (
    word text PRIMARY KEY,
    doubts integer NOT NULL DEFAULT 1
);
INSERT INTO doubted_words (word) SELECT word FROM search_words;

-- The words of headlines, each with its form without accents and capitals: what a misspelt word of a search may mean.
-- Derived by the materialiser (services/publish/spelling.py says how); here from the newest that there are.
CREATE TABLE search_words (
    word text PRIMARY KEY,
    folded text NOT NULL
);
INSERT INTO search_words (word, folded)
SELECT DISTINCT word,
    translate(regexp_replace(normalize(replace(replace(replace(word, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), NFKD), '[\u0300-\u036f]', '', 'g'), 'øłđðı', 'olddi')
FROM (SELECT headline FROM stories ORDER BY appended_at DESC LIMIT 50000) s
CROSS JOIN LATERAL string_to_table(regexp_replace(lower(s.headline), '[^[:alpha:]]+', ' ', 'g'), ' ') AS word
WHERE length(word) BETWEEN 3 AND 40;
CREATE INDEX search_words_folded ON search_words (folded);
CREATE INDEX search_words_trigrams ON search_words USING gin (folded public.gin_trgm_ops);

-- The newest briefs first, for words that most of them have.
CREATE INDEX story_briefs_age ON story_briefs (appended_at);

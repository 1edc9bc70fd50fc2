-- The interface for dashboards and other readers by SQL. Names and columns stay: columns are only ever added, at the end;
-- a view that must change otherwise gets a new name (top_headlines_v2). Documented in docs/sql.md.

CREATE VIEW feed_stories AS
SELECT
    e.feed,
    e.rank,
    s.story_id,
    s.revision,
    s.status,
    s.headline,
    s.language,
    s.article_count,
    s.publisher_count,
    s.first_published_at,
    s.last_published_at,
    s.appended_at AS changed_at
FROM feed_entries e
JOIN stories s USING (story_id);
COMMENT ON VIEW feed_stories IS 'Stories of every feed; ORDER BY rank DESC gives a feed''s order';

CREATE VIEW top_headlines AS
SELECT
    row_number() OVER (ORDER BY t.rank DESC, t.story_id DESC) AS place,
    t.story_id,
    t.revision,
    t.headline,
    t.language,
    t.article_count,
    t.publisher_count,
    t.first_published_at,
    t.last_published_at,
    t.changed_at,
    t.rank
FROM (
    SELECT f.* FROM feed_stories f WHERE f.feed = 'top' ORDER BY f.rank DESC, f.story_id DESC LIMIT 200
) t
ORDER BY t.rank DESC, t.story_id DESC;
COMMENT ON VIEW top_headlines IS 'The 200 stories that rank highest now';

CREATE VIEW story_sources AS
SELECT
    m.story_id,
    m.number,
    m.article_id,
    m.version AS article_version,
    m.title,
    m.url,
    m.publisher_id,
    m.publisher_name,
    m.published_at,
    m.fetched_at,
    m.wire_group,
    m.present
FROM story_members m;
COMMENT ON VIEW story_sources IS 'Articles of each story with their citation numbers; present is false for withdrawn ones';

CREATE VIEW story_sentences AS
SELECT
    b.story_id,
    b.story_revision,
    section.position AS section_position,
    section.value ->> 'heading' AS heading,
    sentence.position AS sentence_position,
    sentence.value ->> 'text' AS text,
    cited.numbers AS citations,
    b.made_by
FROM story_briefs b
CROSS JOIN LATERAL jsonb_array_elements(b.sections) WITH ORDINALITY AS section (value, position)
CROSS JOIN LATERAL jsonb_array_elements(section.value -> 'sentences') WITH ORDINALITY AS sentence (value, position)
CROSS JOIN LATERAL (
    SELECT array_agg(m.number ORDER BY m.number) AS numbers
    FROM jsonb_array_elements(sentence.value -> 'citations') AS citation (number)
    JOIN story_members m ON m.story_id = b.story_id AND m.number = citation.number::integer AND m.present
) cited
WHERE cited.numbers IS NOT NULL;
COMMENT ON VIEW story_sentences IS 'Briefs, a row a sentence, with the numbers of present sources that state it';

CREATE VIEW story_history AS
SELECT
    u.story_id,
    u.revision,
    u.event_id,
    u.reason,
    u.status,
    u.article_count,
    u.publisher_count,
    u.articles_added,
    u.articles_removed,
    u.articles_changed,
    u.headline,
    u.redirect_to,
    u.actor ->> 'kind' AS actor_kind,
    u.actor ->> 'name' AS actor_name,
    u.appended_at AS changed_at
FROM story_updates u;
COMMENT ON VIEW story_history IS 'Every revision of every story, as story_updates.v1 told it';

CREATE VIEW article_index AS
SELECT
    a.article_id,
    a.version,
    a.status,
    a.title,
    a.url,
    a.canonical_url,
    a.publisher_id,
    a.publisher_name,
    a.language,
    a.section,
    a.published_at,
    a.fetched_at,
    a.extraction,
    m.story_id,
    m.number
FROM articles a
LEFT JOIN story_members m USING (article_id);
COMMENT ON VIEW article_index IS 'Articles without their texts, and the story that each is in';

CREATE VIEW freshness_by_language AS
WITH RECURSIVE languages AS (
    (SELECT language FROM articles ORDER BY language LIMIT 1)
    UNION ALL
    SELECT (SELECT a.language FROM articles a WHERE a.language > l.language ORDER BY a.language LIMIT 1)
    FROM languages l
    WHERE l.language IS NOT NULL
)
SELECT
    l.language,
    newest.fetched_at AS newest_fetched_at,
    newest.published_at AS newest_published_at,
    extract(epoch FROM now() - newest.fetched_at) AS age_seconds
FROM languages l
CROSS JOIN LATERAL (
    SELECT a.fetched_at, a.published_at FROM articles a WHERE a.language = l.language ORDER BY a.fetched_at DESC LIMIT 1
) newest
WHERE l.language IS NOT NULL;
COMMENT ON VIEW freshness_by_language IS 'How old the newest article of each language is';

CREATE VIEW freshness_by_feed AS
SELECT
    f.feed_id,
    f.title,
    f.url,
    f.language,
    f.country,
    f.paused,
    newest.fetched_at AS newest_fetched_at,
    newest.published_at AS newest_published_at,
    newest.articles AS articles_last_7_days,
    extract(epoch FROM now() - newest.fetched_at) AS age_seconds
FROM source_feeds f
LEFT JOIN (
    SELECT appearance.feed_id, max(a.fetched_at) AS fetched_at, max(a.published_at) AS published_at, count(*) AS articles
    FROM articles a
    CROSS JOIN LATERAL unnest(a.appearances) AS appearance (feed_id)
    WHERE a.fetched_at > now() - interval '7 days'
    GROUP BY appearance.feed_id
) newest USING (feed_id);
COMMENT ON VIEW freshness_by_feed IS 'How old the newest article of each polled feed is; empty where it gave none for 7 days';

CREATE VIEW pipeline_positions AS
SELECT
    o.topic,
    o.partition,
    o.next_offset,
    greatest(o.end_offset - o.next_offset, 0) AS behind,
    o.appended_at AS last_appended_at,
    o.updated_at
FROM consumed_offsets o;
COMMENT ON VIEW pipeline_positions IS 'How far each topic is in the database, and how many records it is behind';

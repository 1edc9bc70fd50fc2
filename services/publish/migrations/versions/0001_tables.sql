-- The rows that readers see. Each table that a topic fills holds what that topic says and nothing else, so the order in which
-- topics arrive does not matter, and there are no foreign keys between them.

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

-- The full-text configuration of a language. Immutable, so that generated columns may call it.
CREATE FUNCTION search_config(language text) RETURNS regconfig
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN CASE language
        WHEN 'ar' THEN 'pg_catalog.arabic'::regconfig
        WHEN 'ca' THEN 'pg_catalog.catalan'::regconfig
        WHEN 'da' THEN 'pg_catalog.danish'::regconfig
        WHEN 'de' THEN 'pg_catalog.german'::regconfig
        WHEN 'el' THEN 'pg_catalog.greek'::regconfig
        WHEN 'en' THEN 'pg_catalog.english'::regconfig
        WHEN 'es' THEN 'pg_catalog.spanish'::regconfig
        WHEN 'fi' THEN 'pg_catalog.finnish'::regconfig
        WHEN 'fr' THEN 'pg_catalog.french'::regconfig
        WHEN 'hu' THEN 'pg_catalog.hungarian'::regconfig
        WHEN 'it' THEN 'pg_catalog.italian'::regconfig
        WHEN 'nl' THEN 'pg_catalog.dutch'::regconfig
        WHEN 'no' THEN 'pg_catalog.norwegian'::regconfig
        WHEN 'pt' THEN 'pg_catalog.portuguese'::regconfig
        WHEN 'ro' THEN 'pg_catalog.romanian'::regconfig
        WHEN 'ru' THEN 'pg_catalog.russian'::regconfig
        WHEN 'sv' THEN 'pg_catalog.swedish'::regconfig
        WHEN 'tr' THEN 'pg_catalog.turkish'::regconfig
        ELSE 'pg_catalog.simple'::regconfig
    END;

-- From feeds.v1 alone: what is polled, as its owner defined it.
CREATE TABLE source_feeds (
    feed_id uuid PRIMARY KEY,
    url text NOT NULL,
    title text NOT NULL,
    publisher_name text,
    language text,
    country text,
    section text,
    paused boolean NOT NULL,
    added_at timestamptz NOT NULL
);

-- From articles.v1 alone: the latest version of every article.
CREATE TABLE articles (
    article_id uuid PRIMARY KEY,
    version integer NOT NULL,
    status text NOT NULL,
    url text NOT NULL,
    canonical_url text NOT NULL,
    appearances uuid[] NOT NULL,
    publisher_id text NOT NULL,
    publisher_name text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    truncated boolean NOT NULL,
    summary text NOT NULL,
    authors text[] NOT NULL,
    image text,
    section text,
    language text NOT NULL,
    published_at timestamptz,
    fetched_at timestamptz NOT NULL,
    content_hash text NOT NULL,
    extraction text NOT NULL,
    appended_at timestamptz NOT NULL,
    -- What a search sees: the title, the summary, and so much of the text as a reader would. A tsvector holds 1 MB at most.
    search tsvector NOT NULL GENERATED ALWAYS AS (
        CASE WHEN status = 'withdrawn' THEN ''::tsvector ELSE
            setweight(to_tsvector(search_config(language), title), 'A')
            || setweight(to_tsvector(search_config(language), left(summary, 2000)), 'B')
            || setweight(to_tsvector(search_config(language), left(text, 20000)), 'D')
        END
    ) STORED
);
CREATE INDEX articles_search ON articles USING gin (search);
CREATE INDEX articles_fetched ON articles (language, fetched_at DESC);

-- From stories.v1 alone: stories as they are now.
CREATE TABLE stories (
    story_id uuid PRIMARY KEY,
    revision integer NOT NULL,
    status text NOT NULL,
    headline text NOT NULL,
    headline_article_id uuid,
    language text NOT NULL,
    article_count integer NOT NULL,
    publisher_count integer NOT NULL,
    first_published_at timestamptz NOT NULL,
    last_published_at timestamptz NOT NULL,
    redirect_to uuid,
    pinned boolean NOT NULL,
    links jsonb NOT NULL,
    -- services.publish.feeds.rank of the columns above: right at any moment of reading, so it is never rewritten.
    rank double precision NOT NULL,
    -- Where the record stood, for dead letters and for tracing a row to its record.
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    appended_at timestamptz NOT NULL,
    search tsvector NOT NULL GENERATED ALWAYS AS (setweight(to_tsvector(search_config(language), headline), 'A')) STORED
);
CREATE INDEX stories_search ON stories USING gin (search);
CREATE INDEX stories_headline_trigrams ON stories USING gin (headline public.gin_trgm_ops);
CREATE INDEX stories_latest ON stories (appended_at DESC) WHERE article_count > 0;
CREATE INDEX stories_redirects ON stories (redirect_to) WHERE redirect_to IS NOT NULL;

-- From story_members.v1 alone: which story each article is in, and its citation number there.
CREATE TABLE story_members (
    article_id uuid PRIMARY KEY,
    story_id uuid NOT NULL,
    number integer NOT NULL,
    version integer NOT NULL,
    present boolean NOT NULL,
    wire_group uuid,
    title text NOT NULL,
    url text NOT NULL,
    publisher_id text NOT NULL,
    publisher_name text NOT NULL,
    published_at timestamptz,
    fetched_at timestamptz NOT NULL,
    story_revision integer NOT NULL
);
CREATE INDEX story_members_story ON story_members (story_id, number);
CREATE INDEX story_members_publisher ON story_members (publisher_id, fetched_at DESC) WHERE present;

-- From story_updates.v1 alone: every revision of every story, and where it stood in the topic, so that a stream can be resumed
-- from a vector of offsets without a hole.
CREATE TABLE story_updates (
    story_id uuid NOT NULL,
    revision integer NOT NULL,
    event_id uuid NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    article_count integer NOT NULL,
    publisher_count integer NOT NULL,
    articles_added uuid[] NOT NULL,
    articles_removed uuid[] NOT NULL,
    articles_changed uuid[] NOT NULL,
    headline text NOT NULL,
    language text NOT NULL,
    first_published_at timestamptz NOT NULL,
    last_published_at timestamptz NOT NULL,
    redirect_to uuid,
    evidence jsonb,
    actor jsonb NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    appended_at timestamptz NOT NULL,
    PRIMARY KEY (story_id, revision)
);
CREATE INDEX story_updates_source ON story_updates (source_partition, source_offset);
CREATE INDEX story_updates_appended ON story_updates (appended_at DESC);

-- From story_briefs.v1 alone.
CREATE TABLE story_briefs (
    story_id uuid PRIMARY KEY,
    story_revision integer NOT NULL,
    sections jsonb NOT NULL,
    corrected boolean NOT NULL,
    made_by text NOT NULL,
    appended_at timestamptz NOT NULL,
    -- Headings and sentences joined, for search and for the first lines of a card.
    plain text NOT NULL,
    search tsvector NOT NULL GENERATED ALWAYS AS (setweight(to_tsvector('pg_catalog.simple'::regconfig, left(plain, 20000)), 'C')) STORED
);
CREATE INDEX story_briefs_search ON story_briefs USING gin (search);

-- Where each topic's partition is read on from. Committed together with the rows.
CREATE TABLE consumed_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    -- The rows hold everything from here on: where reading began, or up to where history was pruned.
    first_offset bigint NOT NULL,
    -- The topic's end when it was last looked at.
    end_offset bigint NOT NULL,
    appended_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- Feeds that an operator defined: topic sections and saved searches. Feeds by language, country and publisher need no row.
CREATE TABLE feed_views (
    feed text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('section', 'search')),
    title text NOT NULL,
    words text NOT NULL DEFAULT '',
    section_names text[] NOT NULL DEFAULT '{}',
    publishers text[] NOT NULL DEFAULT '{}',
    languages text[] NOT NULL DEFAULT '{}',
    countries text[] NOT NULL DEFAULT '{}',
    min_publishers integer NOT NULL DEFAULT 1,
    position integer NOT NULL DEFAULT 100,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Which story stands in which feed, and where. Derived from the tables above in the transaction that changes them.
-- feed is 'top', 'language/en', 'country/KR', 'publisher/example.org', or a feed_views.feed such as 'section/science'.
CREATE TABLE feed_entries (
    feed text NOT NULL,
    story_id uuid NOT NULL,
    rank double precision NOT NULL,
    PRIMARY KEY (feed, story_id)
);
CREATE INDEX feed_entries_order ON feed_entries (feed, rank DESC, story_id DESC);
CREATE INDEX feed_entries_story ON feed_entries (story_id);

-- Stories whose brief may be behind. The materialiser appends; a brief worker takes rows and deletes them when the brief is produced.
CREATE TABLE brief_queue (
    touch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    story_id uuid NOT NULL,
    touched_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before timestamptz NOT NULL DEFAULT '-infinity'
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX brief_queue_story ON brief_queue (story_id);

-- Stories whose brief could not be made at a revision; each has a dead letter. Tried again at the next revision.
CREATE TABLE brief_failures (
    story_id uuid PRIMARY KEY,
    story_revision integer NOT NULL,
    reason text NOT NULL,
    error text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now()
);

-- What readers reported as grouped wrongly: the editors' list.
CREATE TABLE story_reports (
    report_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    story_id uuid NOT NULL,
    article_id uuid,
    story_revision integer,
    words text NOT NULL DEFAULT '',
    reported_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolution text
);
CREATE INDEX story_reports_open ON story_reports (reported_at) WHERE resolved_at IS NULL;

-- What each worker of publish last said of itself, so that a page can tell readers when a part is down.
CREATE TABLE worker_status (
    worker text PRIMARY KEY,
    seen_at timestamptz NOT NULL,
    ready boolean NOT NULL,
    waits text NOT NULL,
    lag bigint NOT NULL
) WITH (fillfactor = 50);

-- From what each brief was last made, so that nothing is composed twice.
CREATE TABLE brief_inputs (
    story_id uuid PRIMARY KEY,
    fingerprint text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);

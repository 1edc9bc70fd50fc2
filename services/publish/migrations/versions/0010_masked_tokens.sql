-- A feed's URL may hold its reader's password, or a token under many a name. As shared.settings.masked, whose test compares them.
CREATE OR REPLACE VIEW freshness_by_feed AS
SELECT
    f.feed_id,
    f.title,
    regexp_replace(
        regexp_replace(f.url, '^([^:/?#]+://[^:/?#]*):[^/?#]*@', '\1:***@'),
        '([?&](?:[^=&#]*(?:passw|token|secret|api[-_]?key|signature)[^=&#]*|key|sig|auth|pass|pwd)=)[^&#]*',
        '\1***',
        'gi'
    ) AS url,
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

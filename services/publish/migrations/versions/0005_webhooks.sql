-- Endpoints of other programs that are told of a feed's changes. A secret signs what is sent, so no hash of it would do.
CREATE TABLE webhooks (
    webhook_id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    feed text NOT NULL,
    url text NOT NULL,
    secret text NOT NULL,
    -- After a rotation both secrets sign until then.
    previous_secret text,
    previous_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- How it goes: failures in a row without a success between, and when the first of them was.
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    next_try_at timestamptz NOT NULL DEFAULT '-infinity',
    last_error text NOT NULL DEFAULT '',
    last_success_at timestamptz,
    disabled_at timestamptz,
    disabled_reason text NOT NULL DEFAULT ''
);
CREATE INDEX webhooks_feed ON webhooks (feed);

-- What an endpoint was last told of a story, so that what it has still to be told follows from the rows. turn counts what was told.
CREATE TABLE webhook_told (
    webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    story_id uuid NOT NULL,
    revision integer NOT NULL,
    present boolean NOT NULL,
    turn integer NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (webhook_id, story_id)
);
CREATE INDEX webhook_told_story ON webhook_told (story_id);

-- Stories of which an endpoint may have something to be told. One row a story, however often it changes: what is told is how it stands
-- when it is sent, so an endpoint that is down for days never has more waiting than there are stories. Written in the transaction that
-- writes feed_entries. touch counts the changes, so that one that comes while a delivery is under way is not lost.
CREATE TABLE webhook_pending (
    webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    story_id uuid NOT NULL,
    touch bigint NOT NULL DEFAULT 1,
    since timestamptz NOT NULL DEFAULT now(),
    touched_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (webhook_id, story_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX webhook_pending_due ON webhook_pending (webhook_id, not_before, since);

-- Tries of the last days, for whoever looks for the fault.
CREATE TABLE webhook_deliveries (
    delivery bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event_id uuid NOT NULL,
    kind text NOT NULL,
    story_id uuid,
    revision integer,
    attempt integer NOT NULL,
    outcome text NOT NULL,
    status integer,
    error text NOT NULL DEFAULT '',
    took_ms integer NOT NULL,
    attempted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, delivery DESC);
CREATE INDEX webhook_deliveries_attempted ON webhook_deliveries (attempted_at);

-- The transactional outbox: a row is written with the work it tells of, and a
-- relay publishes it afterwards. Both databases have the same two tables.
CREATE TABLE outbox (
    id                uuid        PRIMARY KEY,
    -- The order of writing; relays claim in it.
    position          bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    -- The NATS subject, which is also the CloudEvents type.
    subject           text        NOT NULL CHECK (subject ~ '^(evt|jobs)\.[a-z0-9_.]+$'),
    aggregate_id      uuid        NOT NULL,
    aggregate_version bigint      NOT NULL CHECK (aggregate_version >= 0),
    data              jsonb       NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    traceparent       text        CHECK (length(traceparent) <= 55),
    occurred_at       timestamptz NOT NULL,
    published_at      timestamptz,
    -- NATS refuses more than a mebibyte; a row that can't leave would stay for ever.
    CONSTRAINT outbox_data_is_small CHECK (octet_length(data::text) <= 65536)
);
CREATE INDEX outbox_unpublished ON outbox (position) WHERE published_at IS NULL;
-- Whether an earlier event of the same aggregate still waits.
CREATE INDEX outbox_unpublished_aggregate ON outbox (aggregate_id, position) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- Wakes the relay at commit, so that an event leaves at once and the relay's
-- own polling only matters after a lost connection.
CREATE FUNCTION outbox_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_wake AFTER INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake();

-- What a consumer has already done. JetStream delivers at least once; this is
-- what makes the effect happen once.
CREATE TABLE inbox (
    consumer    text        NOT NULL CHECK (length(consumer) BETWEEN 1 AND 64),
    event_id    uuid        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_received_at ON inbox (received_at);

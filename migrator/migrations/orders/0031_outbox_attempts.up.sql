-- An event that can't leave, because its stream is full or unknown, is tried
-- again later and later, and holds up no other one meanwhile. The time is the
-- database's, which all relays share.
ALTER TABLE outbox
    ADD COLUMN attempts        smallint    NOT NULL DEFAULT 0,
    ADD COLUMN next_attempt_at timestamptz NOT NULL DEFAULT now();
DROP INDEX outbox_unpublished;
CREATE INDEX outbox_due ON outbox (next_attempt_at, position) WHERE published_at IS NULL;

-- Transactions that notify commit one after another, in all databases of the
-- server, each with its own wait for the disk. Relays look by themselves instead.
DROP TRIGGER outbox_wake ON outbox;
DROP FUNCTION outbox_wake();

CREATE FUNCTION outbox_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_wake AFTER INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake();
DROP INDEX outbox_due;
CREATE INDEX outbox_unpublished ON outbox (position) WHERE published_at IS NULL;
ALTER TABLE outbox DROP COLUMN attempts, DROP COLUMN next_attempt_at;

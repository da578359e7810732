-- What the edge may do in the accounts database. Applied after every `up`, so
-- a new table needs a line here: whatever isn't named can't be touched.

-- Roles belong to the whole server: another database's migrator may make the
-- same one at the same time.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'accounts_app') THEN
        CREATE ROLE accounts_app LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$ BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, accounts_app', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO accounts_app', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC, accounts_app;
GRANT USAGE ON SCHEMA public TO accounts_app;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, accounts_app;

-- Written with the work, marked when published or put off, swept later.
GRANT SELECT, INSERT, UPDATE (published_at, attempts, next_attempt_at), DELETE ON outbox TO accounts_app;
GRANT SELECT, INSERT, DELETE ON inbox TO accounts_app;

-- Users are never deleted, only emptied.
GRANT SELECT, INSERT, UPDATE ON users TO accounts_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON credentials, identities TO accounts_app;
GRANT SELECT, INSERT ON audit_log TO accounts_app;
GRANT EXECUTE ON FUNCTION audit_log_sweep, audit_log_forget, audit_log_forget_nobody TO accounts_app;

-- Given by the migrations, read only.
GRANT SELECT ON currencies TO accounts_app;

-- An account's currency, kind and owner never change, nor does what is held.
GRANT SELECT, INSERT,
    UPDATE (name, status, balance, held, version, updated_at, closed_at) ON accounts TO accounts_app;
GRANT SELECT, INSERT, UPDATE (state, transfer_id, updated_at) ON holds TO accounts_app;
-- What happened to money is append-only.
GRANT SELECT, INSERT ON transfers, entries TO accounts_app;
-- The first answers of requests, swept after a day.
GRANT SELECT, INSERT, DELETE ON idempotency_keys TO accounts_app;

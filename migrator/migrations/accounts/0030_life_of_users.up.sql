-- How users leave, and come back.

-- Until when a deactivated user comes back by signing in.
ALTER TABLE users ADD COLUMN return_until timestamptz;
UPDATE users SET return_until = updated_at + interval '30 days' WHERE status = 'deactivated';
ALTER TABLE users ADD CONSTRAINT users_deactivated
    CHECK ((status = 'deactivated') = (return_until IS NOT NULL)) NOT VALID;
ALTER TABLE users VALIDATE CONSTRAINT users_deactivated;

-- Takes out of the trail what tells who an erased user was. Of anyone else it
-- takes nothing, so that it can't be used to cover tracks.
CREATE FUNCTION audit_log_forget(forgotten uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE audit_log SET ip = NULL, user_agent = NULL, subject = NULL
    WHERE user_id = forgotten
      AND EXISTS (SELECT FROM users WHERE id = forgotten AND status = 'erased')
$$;
REVOKE ALL ON FUNCTION audit_log_forget(uuid) FROM PUBLIC;

-- A part of a name or an address, as an administrator remembers it. The query
-- writes the same expression.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX users_search ON users USING gin (
    (coalesce(username_canonical, '') || ' ' || coalesce(email_canonical, '') || ' '
        || coalesce(phone, '') || ' ' || lower(coalesce(full_name, ''))) gin_trgm_ops);

-- Who asks for a code, or fails to sign in, with an address that nobody has yet may
-- register with it later, and no erasure finds these lines. So old ones forget where
-- they came from; that something happened stays. A thousand at a time, and never one
-- of the last 30 days, as in audit_log_sweep. Tells whether there may be more.
CREATE INDEX audit_log_nobody ON audit_log (at)
    WHERE user_id IS NULL AND actor_id IS NULL AND num_nonnulls(ip, user_agent, subject) > 0;

CREATE FUNCTION audit_log_forget_nobody(before timestamptz) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH forgotten AS (
        UPDATE audit_log SET ip = NULL, user_agent = NULL, subject = NULL WHERE id IN (
            SELECT id FROM audit_log
            WHERE user_id IS NULL AND actor_id IS NULL AND num_nonnulls(ip, user_agent, subject) > 0
              AND at < LEAST(before, now() - interval '30 days')
            ORDER BY at LIMIT 1000)
        RETURNING 1)
    SELECT count(*) = 1000 FROM forgotten
$$;
REVOKE ALL ON FUNCTION audit_log_forget_nobody(timestamptz) FROM PUBLIC;

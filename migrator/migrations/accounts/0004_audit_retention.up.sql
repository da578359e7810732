-- The edge may write the audit trail and read it. It takes old lines away only
-- through this, a thousand at a time, and never one of the last 30 days: whoever
-- takes over the edge can't wipe its tracks. Tells whether there may be more.
CREATE FUNCTION audit_log_sweep(before timestamptz) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH swept AS (
        DELETE FROM audit_log WHERE id IN (
            SELECT id FROM audit_log WHERE at < LEAST(before, now() - interval '30 days')
            ORDER BY at LIMIT 1000)
        RETURNING 1)
    SELECT count(*) = 1000 FROM swept
$$;
REVOKE ALL ON FUNCTION audit_log_sweep(timestamptz) FROM PUBLIC;

-- no-transaction
-- For the next migration: lines about addresses that nobody has.
CREATE INDEX CONCURRENTLY audit_log_nobody ON audit_log (at)
    WHERE user_id IS NULL AND actor_id IS NULL AND num_nonnulls(ip, user_agent, subject) > 0;

-- Users who didn't come back in time are deleted, and what an erased user did to
-- others is forgotten as well.

CREATE INDEX users_return_until ON users (return_until) WHERE status = 'deactivated';

-- What someone did to others. Nearly every line is of what users do themselves,
-- which audit_log_user has.
CREATE INDEX audit_log_actor ON audit_log (actor_id) WHERE actor_id IS DISTINCT FROM user_id;

-- As before, and also where the erased user was the one who acted. What others
-- did to them keeps its address and program, which are the others'.
CREATE OR REPLACE FUNCTION audit_log_forget(forgotten uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE audit_log
    SET ip = CASE WHEN actor_id <> forgotten THEN ip END,
        user_agent = CASE WHEN actor_id <> forgotten THEN user_agent END,
        subject = CASE WHEN user_id <> forgotten THEN subject END
    WHERE (user_id = forgotten OR actor_id = forgotten AND actor_id IS DISTINCT FROM user_id)
      AND EXISTS (SELECT FROM users WHERE id = forgotten AND status = 'erased')
$$;

CREATE OR REPLACE FUNCTION audit_log_forget(forgotten uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE audit_log SET ip = NULL, user_agent = NULL, subject = NULL
    WHERE user_id = forgotten
      AND EXISTS (SELECT FROM users WHERE id = forgotten AND status = 'erased')
$$;
DROP INDEX audit_log_actor;
DROP INDEX users_return_until;

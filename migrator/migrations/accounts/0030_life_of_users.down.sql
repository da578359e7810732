DROP INDEX users_search;
DROP EXTENSION pg_trgm;
DROP FUNCTION audit_log_forget(uuid);
ALTER TABLE users DROP CONSTRAINT users_deactivated, DROP COLUMN return_until;

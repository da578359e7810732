DROP FUNCTION audit_log_forget_nobody(timestamptz);
DROP INDEX audit_log_nobody;

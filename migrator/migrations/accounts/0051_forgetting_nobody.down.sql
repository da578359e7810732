DROP FUNCTION audit_log_forget_nobody(timestamptz);

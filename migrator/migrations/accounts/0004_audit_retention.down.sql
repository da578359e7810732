DROP FUNCTION audit_log_sweep(timestamptz);

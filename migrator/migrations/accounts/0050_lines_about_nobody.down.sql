DROP INDEX audit_log_nobody;

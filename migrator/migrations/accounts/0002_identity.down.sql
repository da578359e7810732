DROP TABLE audit_log;
DROP TABLE identities;
DROP TABLE credentials;
DROP TABLE users;
DROP TYPE user_status;
DROP TYPE user_role;

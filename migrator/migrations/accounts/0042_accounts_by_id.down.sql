CREATE INDEX accounts_of_user ON accounts (user_id, created_at, id) WHERE kind = 'user';
DROP INDEX accounts_of_user_by_id;

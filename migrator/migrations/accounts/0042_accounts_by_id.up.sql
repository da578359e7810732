-- Every list of a user's accounts is in the order of their ids, closed ones or
-- not.
CREATE INDEX accounts_of_user_by_id ON accounts (user_id, id) WHERE user_id IS NOT NULL;
DROP INDEX accounts_of_user;

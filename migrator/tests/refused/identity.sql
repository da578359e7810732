-- What must be refused, one a line, and the constraint that has to do it.

INSERT INTO users (id, created_at, updated_at) SELECT id, now(), now() FROM users -- users_pkey
UPDATE users SET username = 'ab' -- users_username_check
UPDATE users SET username = repeat('a', 33) -- users_username_check
UPDATE users SET username_canonical = 'ab' -- users_username_canonical_check
UPDATE users SET username = NULL -- users_username_pair
UPDATE users SET username_canonical = NULL -- users_username_pair
UPDATE users SET username_canonical = 'ana' -- users_username_unique
UPDATE users SET full_name = '' -- users_full_name_check
UPDATE users SET full_name = repeat('a', 201) -- users_full_name_check
UPDATE users SET birth_date = '1899-12-31' -- users_birth_date_check
UPDATE users SET email = 'a@' -- users_email_check
UPDATE users SET email = repeat('a', 255) -- users_email_check
UPDATE users SET email_canonical = repeat('a', 321) -- users_email_canonical_check
UPDATE users SET email = NULL -- users_email_pair
UPDATE users SET email_canonical = 'ana@a.example' -- users_email_unique
UPDATE users SET email = NULL, email_canonical = NULL, email_verified_at = now() -- users_email_verified
UPDATE users SET phone = '5491123456789' -- users_phone_check
UPDATE users SET phone = '+0491123456789' -- users_phone_check
UPDATE users SET phone = '+54 9 11 2345 6789' -- users_phone_check
UPDATE users SET phone = '+5491123456789' -- users_phone_unique
UPDATE users SET phone = NULL, phone_verified_at = now() -- users_phone_verified
UPDATE users SET status = 'deleted' -- users_deleted
UPDATE users SET deleted_at = now(), erase_after = now() -- users_deleted
UPDATE users SET status = 'deleted', deleted_at = now() -- users_deleted_has_erase_after
UPDATE users SET erase_after = now() -- users_deleted_has_erase_after
UPDATE users SET status = 'erased', deleted_at = now(), erase_after = now() -- users_erased
UPDATE users SET erased_at = now() -- users_erased
UPDATE users SET status = 'erased', deleted_at = now(), erase_after = now(), erased_at = now() -- users_erased_is_empty
UPDATE users SET status = 'deactivated' -- users_deactivated
UPDATE users SET return_until = now() -- users_deactivated
UPDATE users SET version = 0 -- users_version_check
INSERT INTO credentials SELECT * FROM credentials -- credentials_pkey
UPDATE credentials SET password = 'correct horse battery staple' -- credentials_password_check
UPDATE credentials SET password = '$argon2i$v=19$x' -- credentials_password_check
UPDATE credentials SET password = '$argon2id$' || repeat('x', 512) -- credentials_password_check
UPDATE credentials SET user_id = '00000000-0000-7000-8000-0000000000a3' -- credentials_user_id_fkey
INSERT INTO identities SELECT * FROM identities -- identities_pkey
UPDATE identities SET provider = 'elsewhere' -- identities_provider_check
UPDATE identities SET subject = '' -- identities_subject_check
UPDATE identities SET email = repeat('a', 255) -- identities_email_check
DELETE FROM credentials; DELETE FROM users -- identities_user_id_fkey
INSERT INTO identities SELECT provider, '2', user_id, email, created_at FROM identities -- identities_one_per_provider
INSERT INTO audit_log SELECT * FROM audit_log -- audit_log_pkey
UPDATE audit_log SET event = 'Login of Ana' -- audit_log_event_check
UPDATE audit_log SET user_agent = repeat('a', 257) -- audit_log_user_agent_check
UPDATE audit_log SET subject = repeat('a', 129) -- audit_log_subject_check
UPDATE audit_log SET detail = '[]' -- audit_log_detail_check

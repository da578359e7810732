-- What must be refused, one a line, and the constraint that has to do it.

INSERT INTO currencies VALUES ('USD', 3) -- currencies_pkey
INSERT INTO currencies VALUES ('usd', 2) -- currencies_code
INSERT INTO currencies VALUES ('XTS', 5) -- currencies_minor_units

-- Accounts
SELECT open_account(ana(), 'user', ana(), 'EUR') -- accounts_pkey
UPDATE accounts SET currency = 'XTS' WHERE id = bea() -- accounts_currency
UPDATE accounts SET minor_units = 4 WHERE id = yen() -- accounts_currency
UPDATE accounts SET user_id = t(9) WHERE id = bea() -- accounts_user_id_fkey
DELETE FROM users -- accounts_user_id_fkey
UPDATE accounts SET user_id = NULL WHERE id = bea() -- accounts_owner
UPDATE accounts SET user_id = bea() WHERE id = world() -- accounts_owner
UPDATE accounts SET name = '' -- accounts_name
UPDATE accounts SET name = repeat('a', 101) -- accounts_name
UPDATE accounts SET allow_negative = true WHERE id = ana() -- accounts_may_be_negative
UPDATE accounts SET allow_negative = true WHERE kind = 'revenue' -- accounts_may_be_negative
UPDATE accounts SET balance = 'NaN' WHERE id = ana() -- accounts_balance
UPDATE accounts SET balance = 'Infinity' WHERE id = ana() -- accounts_balance
UPDATE accounts SET balance = '-Infinity' WHERE id = world() -- accounts_balance
UPDATE accounts SET balance = 1e15 WHERE id = ana() -- accounts_balance
UPDATE accounts SET balance = 0.001 WHERE id = ana() -- accounts_balance
UPDATE accounts SET balance = 1.5 WHERE id = yen() -- accounts_balance
UPDATE accounts SET held = -1 WHERE id = ana() -- accounts_held
UPDATE accounts SET held = 'NaN' WHERE id = world() -- accounts_held
UPDATE accounts SET held = 'Infinity' WHERE id = world() -- accounts_held
UPDATE accounts SET held = 0.001 WHERE id = ana() -- accounts_held
SELECT move(9, ana(), bea(), 100.01) -- accounts_funds
SELECT hold(9, 100.01), held(100.01) -- accounts_funds
SELECT hold(9, 60), held(60), move(8, ana(), bea(), 50) -- accounts_funds
UPDATE accounts SET version = -1 WHERE id = bea() -- accounts_version
UPDATE accounts SET balance = 5 WHERE id = bea() -- accounts_begin_empty
UPDATE accounts SET updated_at = created_at - interval '1 s' -- accounts_updated
UPDATE accounts SET status = 'closed' WHERE id = bea() -- accounts_closed
UPDATE accounts SET closed_at = now() WHERE id = bea() -- accounts_closed
UPDATE accounts SET status = 'closed', closed_at = now() WHERE id = ana() -- accounts_closed_is_empty
UPDATE accounts SET status = 'closed', closed_at = now() WHERE id = bea(); SELECT move(9, ana(), bea(), 1) -- accounts_closed_is_empty
SELECT open_account(t(9), 'user', ana(), 'USD') -- accounts_one_open_per_currency
SELECT open_account(t(9), 'world', NULL, 'USD') -- accounts_one_of_the_house
UPDATE accounts SET balance = 200 WHERE id = ana() -- accounts_balance_is_last_entry
UPDATE accounts SET version = 2 WHERE id = ana() -- accounts_balance_is_last_entry
SELECT open_account(t(9), 'user', bea(), 'EUR'); UPDATE accounts SET balance = 1000, version = 1 WHERE id = t(9) -- accounts_balance_is_last_entry
SELECT held(1) -- accounts_held_is_open_holds
SELECT hold(9, 1) -- accounts_held_is_open_holds
SELECT hold(9, 1), held(1); UPDATE holds SET state = 'released' -- accounts_held_is_open_holds
SELECT hold(9, 1), held(1); DELETE FROM holds -- accounts_held_is_open_holds

-- Transfers
SELECT move(1, world(), ana(), 100) -- transfers_pkey
SELECT move(9, yen(), bea(), 1) -- transfers_debit
SELECT move(9, t(9), bea(), 1) -- transfers_debit
SELECT move(9, ana(), yen(), 1) -- transfers_credit
SELECT transfer(9, ana(), ana(), 1) -- transfers_two_accounts
SELECT transfer(9, ana(), bea(), 0) -- transfers_amount
SELECT transfer(9, ana(), bea(), -1) -- transfers_amount
SELECT transfer(9, ana(), bea(), 'NaN') -- transfers_amount
SELECT transfer(9, world(), bea(), 'Infinity') -- transfers_amount
SELECT transfer(9, world(), bea(), 1e15) -- transfers_amount
SELECT transfer(9, ana(), bea(), 0.001) -- transfers_amount
INSERT INTO transfers SELECT t(9), debit_account_id, credit_account_id, currency, minor_units, amount, '', now() FROM transfers -- transfers_note
UPDATE transfers SET amount = 1 -- transfers_append_only
DELETE FROM transfers -- transfers_append_only
TRUNCATE transfers CASCADE -- transfers_append_only

-- Entries
SELECT transfer(9, ana(), bea(), 1), enter(9, ana(), -1), enter(9, ana(), -1) -- entries_pkey
SELECT transfer(9, ana(), bea(), 1) -- entries_at_least_two
SELECT transfer(9, world(), ana(), 1), enter(9, ana(), 1) -- entries_at_least_two
SELECT transfer(9, ana(), bea(), 1), enter(9, ana(), -1), enter(9, bea(), 2) -- entries_sum_to_zero
SELECT enter(1, bea(), 100) -- entries_sum_to_zero
SELECT transfer(9, ana(), bea(), 1), enter(9, ana(), -2), enter(9, bea(), 2) -- entries_match_transfer
SELECT transfer(9, world(), bea(), 1), enter(9, ana(), -1), enter(9, bea(), 1) -- entries_match_transfer
SELECT bare_entry(1, bea(), 1, 5, 5), bare_entry(9, bea(), 1, 5, 5) -- entries_history
SELECT transfer(9, world(), ana(), 5), enter(9, world(), -5); SELECT bare_entry(9, ana(), 2, 5, 1000) -- entries_follow
SELECT transfer(9, world(), ana(), 5), enter(9, world(), -5); SELECT bare_entry(9, ana(), 3, 5, 105) -- entries_follow
SELECT bare_entry(1, bea(), 1, 5, 1000) -- entries_begin
SELECT bare_entry(1, bea(), 0, 5, 5) -- entries_begin
SELECT enter(9, bea(), 1) -- entries_transfer
SELECT enter(1, yen(), 1) -- entries_transfer
SELECT bare_entry(1, yen(), 1, 5, 5) -- entries_account
SELECT bare_entry(1, bea(), 1, 0, 0) -- entries_amount
SELECT bare_entry(1, bea(), 2, 'NaN', 5) -- entries_amount
SELECT bare_entry(1, bea(), 2, '-Infinity', 5) -- entries_amount
SELECT bare_entry(1, bea(), 2, 0.005, 5) -- entries_amount
SELECT bare_entry(1, bea(), 2, 5, 'NaN') -- entries_balance
SELECT bare_entry(1, bea(), 2, 5, 'Infinity') -- entries_balance
SELECT transfer(9, world(), ana(), 5), enter(9, world(), -5); SELECT bare_entry(9, ana(), 2, 5, 105) -- entries_taken_in
UPDATE entries SET amount = 1 -- entries_append_only
DELETE FROM entries -- entries_append_only

-- Holds
SELECT hold(9, 1), hold(9, 1) -- holds_pkey
INSERT INTO holds (id, state, created_at, updated_at) VALUES (t(9), 'released', now(), now()); SELECT hold(9, 1) -- holds_pkey
SELECT hold(9, 1); UPDATE holds SET currency = 'JPY', minor_units = 0 -- holds_account
INSERT INTO holds (id, created_at, updated_at) VALUES (t(9), now(), now()) -- holds_tombstone
INSERT INTO holds (id, state, amount, created_at, updated_at) VALUES (t(9), 'released', 1, now(), now()) -- holds_tombstone
SELECT hold(9, 1); UPDATE holds SET state = 'captured' -- holds_captured
SELECT hold(9, 1); UPDATE holds SET state = 'released', transfer_id = id -- holds_captured
SELECT hold(9, 1); UPDATE holds SET state = 'captured', transfer_id = t(1) -- holds_captured_by_its_transfer
SELECT hold(9, 1), move(9, ana(), bea(), 2); UPDATE holds SET state = 'captured', transfer_id = id -- holds_transfer
SELECT hold(9, 1), move(9, world(), bea(), 1); UPDATE holds SET state = 'captured', transfer_id = id -- holds_transfer
SELECT hold(9, 0) -- holds_amount
SELECT hold(9, 'NaN') -- holds_amount
SELECT hold(9, 'Infinity') -- holds_amount
SELECT hold(9, 0.001) -- holds_amount
SELECT hold(9, 1); UPDATE holds SET expires_at = created_at -- holds_expires
SELECT hold(9, 1); UPDATE holds SET updated_at = created_at - interval '1 s' -- holds_updated
SELECT hold(9, 1); UPDATE holds SET state = 'released'; UPDATE holds SET state = 'held' -- holds_end_once
SELECT hold(9, 1); UPDATE holds SET amount = 2 -- holds_end_once
SELECT hold(9, 1); UPDATE holds SET state = 'expired'; UPDATE holds SET state = 'released' -- holds_end_once

-- Kept answers
SELECT kept('k'), kept('k') -- idempotency_keys_pkey
SELECT kept('') -- idempotency_keys_visible_ascii
SELECT kept('a b') -- idempotency_keys_visible_ascii
SELECT kept(repeat('k', 256)) -- idempotency_keys_visible_ascii
SELECT kept('k'); UPDATE idempotency_keys SET fingerprint = '' -- idempotency_keys_fingerprint
SELECT kept('k'); UPDATE idempotency_keys SET status = 422 -- idempotency_keys_success
SELECT kept('k'); UPDATE idempotency_keys SET body = repeat('x', 65537) -- idempotency_keys_body_is_small

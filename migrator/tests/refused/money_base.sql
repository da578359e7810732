-- Ana has 100 USD and an empty account in JPY, Bea an empty one in USD. `move`
-- is how a transfer is written rightly.
CREATE FUNCTION ana() RETURNS uuid LANGUAGE sql AS $$ SELECT '00000000-0000-7000-8000-0000000000a1'::uuid $$;
CREATE FUNCTION bea() RETURNS uuid LANGUAGE sql AS $$ SELECT '00000000-0000-7000-8000-0000000000a2'::uuid $$;
INSERT INTO users (id, created_at, updated_at) VALUES (ana(), now(), now()), (bea(), now(), now());
CREATE FUNCTION yen() RETURNS uuid LANGUAGE sql AS $$ SELECT '00000000-0000-7000-8000-0000000000a3'::uuid $$;
CREATE FUNCTION open_account(id uuid, kind account_kind, owner uuid, code text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO accounts (id, kind, user_id, currency, minor_units, created_at, updated_at)
    SELECT id, kind, owner, code, minor_units, now(), now() FROM currencies c WHERE c.code = open_account.code;
$$;
SELECT open_account(ana(), 'user', ana(), 'USD');
SELECT open_account(bea(), 'user', bea(), 'USD');
SELECT open_account(yen(), 'user', ana(), 'JPY');
CREATE FUNCTION world() RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM accounts WHERE kind = 'world' AND currency = 'USD' $$;
CREATE FUNCTION t(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT ('00000000-0000-7000-8000-0000000000b' || n)::uuid $$;
CREATE FUNCTION enter(transfer int, account uuid, change numeric) RETURNS void LANGUAGE sql AS $$
    UPDATE accounts SET balance = balance + change, version = version + 1 WHERE id = account;
    INSERT INTO entries (transfer_id, account_id, account_version, currency, minor_units, amount, balance_after)
    SELECT t(transfer), id, version, currency, minor_units, change, balance FROM accounts WHERE id = account;
$$;
CREATE FUNCTION transfer(n int, debit uuid, credit uuid, amount numeric) RETURNS void LANGUAGE sql AS $$
    INSERT INTO transfers (id, debit_account_id, credit_account_id, currency, minor_units, amount, created_at)
    VALUES (t(n), debit, credit, 'USD', 2, amount, now());
$$;
CREATE FUNCTION move(n int, debit uuid, credit uuid, amount numeric) RETURNS void LANGUAGE sql AS $$
    SELECT transfer(n, debit, credit, amount), enter(n, debit, -amount), enter(n, credit, amount);
$$;
CREATE FUNCTION hold(n int, amount numeric) RETURNS void LANGUAGE sql AS $$
    INSERT INTO holds (id, account_id, currency, minor_units, amount, expires_at, created_at, updated_at)
    VALUES (t(n), ana(), 'USD', 2, amount, now() + interval '1 h', now(), now());
$$;
CREATE FUNCTION held(change numeric) RETURNS void LANGUAGE sql AS $$
    UPDATE accounts SET held = held + change WHERE id = ana();
$$;
CREATE FUNCTION bare_entry(transfer int, account uuid, version int, change numeric, after numeric) RETURNS void LANGUAGE sql AS $$
    INSERT INTO entries (transfer_id, account_id, account_version, currency, minor_units, amount, balance_after)
    VALUES (t(transfer), account, version, 'USD', 2, change, after);
$$;
SELECT move(1, world(), ana(), 100);
CREATE FUNCTION kept(key text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO idempotency_keys VALUES (ana(), key, sha256(key::bytea), 201, '{}', now());
$$;

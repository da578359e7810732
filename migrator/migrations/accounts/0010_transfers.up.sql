-- How money moves: one statement of the program is one transaction, so no lock
-- is held while an answer travels.

-- Most updates of an account change its balance and no index: with room on the
-- page they stay on it (HOT).
ALTER TABLE accounts SET (fillfactor = 70);

-- The transfers of one account, newest first.
CREATE INDEX entries_of_account ON entries (account_id, transfer_id);

-- The first answer to each request that must not be carried out twice, written
-- in the transaction of its work and kept for a day. Only successes are here: a
-- refusal has changed nothing.
CREATE TABLE idempotency_keys (
    user_id     uuid        NOT NULL,
    -- Chosen by the client.
    key         text        NOT NULL,
    -- SHA-256 of what was asked for: the same key may not ask for something else.
    fingerprint bytea       NOT NULL,
    -- The answer.
    status      smallint    NOT NULL,
    body        text        NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (user_id, key),
    CONSTRAINT idempotency_keys_visible_ascii CHECK (key ~ '^[!-~]{1,255}$'),
    CONSTRAINT idempotency_keys_fingerprint CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT idempotency_keys_success CHECK (status BETWEEN 200 AND 299),
    CONSTRAINT idempotency_keys_body_is_small CHECK (octet_length(body) <= 65536)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

-- What a key says before the work: new (and held until the transaction ends),
-- in_flight (held by another transaction), replayed (done: here is the answer)
-- or reused (done, with something else).
CREATE FUNCTION idempotency_claim(
    owner uuid, wanted_key text, wanted_fingerprint bytea,
    OUT verdict text, OUT status smallint, OUT body text
) LANGUAGE plpgsql AS $$
DECLARE
    known idempotency_keys;
BEGIN
    -- Whoever comes second is to hear so at once; inserting a row would wait.
    IF NOT pg_try_advisory_xact_lock(hashtextextended(wanted_key, hashtextextended(owner::text, 0))) THEN
        verdict := 'in_flight';
        RETURN;
    END IF;
    -- A statement of its own, that sees what the lock's last holder wrote.
    SELECT * INTO known FROM idempotency_keys k WHERE k.user_id = owner AND k.key = wanted_key;
    IF NOT FOUND THEN
        verdict := 'new';
    ELSIF known.fingerprint <> wanted_fingerprint THEN
        verdict := 'reused';
    ELSE
        verdict := 'replayed';
        status := known.status;
        body := known.body;
    END IF;
END $$;

-- Money on the wire: the currency's digits, all of them.
CREATE TYPE wire_money AS (amount text, currency text);
CREATE FUNCTION wire_money(amount numeric, currency text, minor_units smallint) RETURNS wire_money
    LANGUAGE sql IMMUTABLE AS $$ SELECT ROW(round(amount, minor_units)::text, currency)::wire_money $$;

-- An instant on the wire.
CREATE FUNCTION wire_instant(at timestamptz) RETURNS text
    LANGUAGE sql STABLE AS $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

-- The answer to a transfer: what was done, and what is now in the accounts that
-- the caller may see. It is written here because it is kept with the work.
CREATE FUNCTION transfer_answer(done transfers, seen uuid[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT row_to_json(answer)::text FROM (
        SELECT (SELECT shown FROM (
                    SELECT done.id, done.debit_account_id AS from_account_id, done.credit_account_id AS to_account_id,
                           wire_money(done.amount, done.currency, done.minor_units) AS amount,
                           done.note, wire_instant(done.created_at) AS created_at) AS shown) AS transfer,
               ARRAY(SELECT shown FROM (
                    SELECT id AS account_id,
                           wire_money(balance, currency, minor_units) AS balance,
                           wire_money(held, currency, minor_units) AS held,
                           wire_money(balance - held, currency, minor_units) AS available
                    FROM accounts WHERE id = ANY (seen) ORDER BY id <> done.debit_account_id) AS shown) AS balances
    ) AS answer
$$;

-- Writes a transfer between two accounts that the transaction has locked, and
-- has found fit for it. Per account, time doesn't run backwards.
CREATE FUNCTION ledger_write(
    new_id uuid, debit accounts, credit accounts, amount numeric, note text, now timestamptz,
    event_id uuid, traceparent text
) RETURNS transfers LANGUAGE plpgsql AS $$
DECLARE
    at      timestamptz := GREATEST(now, debit.updated_at, credit.updated_at);
    written transfers;
BEGIN
    INSERT INTO transfers (id, debit_account_id, credit_account_id, currency, minor_units, amount, note, created_at)
    VALUES (new_id, debit.id, credit.id, debit.currency, debit.minor_units, amount, note, at)
    RETURNING * INTO written;
    INSERT INTO entries (transfer_id, account_id, account_version, currency, minor_units, amount, balance_after)
    VALUES (new_id, debit.id, debit.version + 1, debit.currency, debit.minor_units, -amount, debit.balance - amount),
           (new_id, credit.id, credit.version + 1, credit.currency, credit.minor_units, amount, credit.balance + amount);
    UPDATE accounts a
    SET balance = a.balance + CASE a.id WHEN debit.id THEN -ledger_write.amount ELSE ledger_write.amount END,
        version = a.version + 1, updated_at = at
    WHERE a.id IN (debit.id, credit.id);
    INSERT INTO outbox (id, subject, aggregate_id, aggregate_version, data, occurred_at, traceparent)
    VALUES (event_id, 'evt.accounts.transfer.posted.v1', new_id, 1,
            jsonb_build_object('transfer_id', new_id,
                'user_ids', array_remove(ARRAY[debit.user_id, NULLIF(credit.user_id, debit.user_id)], NULL)),
            at, traceparent);
    RETURN written;
END $$;

-- Carries out a transfer once per key. Without `from_account` the money comes
-- from the world: a deposit, that the caller must be allowed to make.
--
-- Verdicts: posted or replayed, with the answer; in_flight, reused; and why
-- not: no_debit_account, no_credit_account, account_closed, same_account,
-- currency_mismatch, insufficient_funds, too_much.
CREATE FUNCTION transfer_post(
    caller uuid, idempotency_key text, fingerprint bytea,
    new_id uuid, from_account uuid, to_account uuid, amount numeric, wanted_currency text, note text,
    now timestamptz, event_id uuid, traceparent text,
    OUT verdict text, OUT body text
) LANGUAGE plpgsql AS $$
DECLARE
    is_deposit boolean := from_account IS NULL;
    account accounts;
    debit   accounts;
    credit  accounts;
    written transfers;
BEGIN
    SELECT c.verdict, c.body INTO verdict, body FROM idempotency_claim(caller, idempotency_key, fingerprint) c;
    IF verdict <> 'new' THEN
        RETURN;
    END IF;
    IF is_deposit THEN
        SELECT a.id INTO from_account FROM accounts a WHERE a.kind = 'world' AND a.currency = wanted_currency;
    END IF;
    -- Both in one statement, in one order for everyone: two transfers in
    -- opposite directions wait for each other and never deadlock.
    FOR account IN
        SELECT * FROM accounts a
        WHERE (a.id = from_account AND (is_deposit OR a.user_id = caller))
           OR (a.id = to_account AND a.kind = 'user')
        ORDER BY a.id FOR NO KEY UPDATE
    LOOP
        IF account.id = from_account THEN debit := account; END IF;
        IF account.id = to_account THEN credit := account; END IF;
    END LOOP;
    verdict := CASE
        WHEN debit.id IS NULL THEN 'no_debit_account'
        WHEN debit.id = to_account THEN 'same_account'
        WHEN debit.status = 'closed' THEN 'account_closed'
        -- Someone else's closed account is none of the caller's business.
        WHEN credit.id IS NULL THEN 'no_credit_account'
        WHEN credit.status = 'closed' AND credit.user_id = caller THEN 'account_closed'
        WHEN credit.status = 'closed' THEN 'no_credit_account'
        WHEN debit.currency <> wanted_currency OR credit.currency <> wanted_currency THEN 'currency_mismatch'
        WHEN NOT debit.allow_negative AND debit.balance - debit.held < amount THEN 'insufficient_funds'
        -- What accounts_balance allows.
        WHEN credit.balance + amount >= 1e15 OR debit.balance - amount <= -1e15 THEN 'too_much'
        ELSE 'posted' END;
    IF verdict <> 'posted' THEN
        RETURN;
    END IF;
    written := ledger_write(new_id, debit, credit, amount, note, now, event_id, traceparent);
    body := transfer_answer(written, ARRAY[
        CASE WHEN debit.user_id = caller THEN debit.id END,
        CASE WHEN is_deposit OR credit.user_id = caller THEN credit.id END]);
    INSERT INTO idempotency_keys VALUES (caller, idempotency_key, fingerprint, 201, body, now);
END $$;

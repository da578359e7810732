-- Money: accounts, transfers between them, and money set aside for a payment.

CREATE TABLE currencies (
    -- ISO 4217.
    code        text     PRIMARY KEY,
    -- Decimal digits of an amount.
    minor_units smallint NOT NULL,
    CONSTRAINT currencies_code CHECK (code ~ '^[A-Z]{3}$'),
    CONSTRAINT currencies_minor_units CHECK (minor_units BETWEEN 0 AND 4),
    -- The pair is copied beside every amount, so that a check can hold the
    -- amount to its currency's digits.
    CONSTRAINT currencies_pair UNIQUE (code, minor_units)
);
INSERT INTO currencies (code, minor_units) VALUES
    ('ARS', 2), ('EUR', 2), ('GBP', 2), ('INR', 2), ('JPY', 0), ('KWD', 3), ('RUB', 2), ('USD', 2);

-- world: where money comes from and goes to; its debt is what everyone else has.
-- revenue: what was earned. clearing: what a payment provider owes us.
CREATE TYPE account_kind AS ENUM ('user', 'world', 'revenue', 'clearing');
CREATE TYPE account_status AS ENUM ('open', 'closed');

CREATE TABLE accounts (
    id             uuid           PRIMARY KEY,
    kind           account_kind   NOT NULL,
    status         account_status NOT NULL DEFAULT 'open',
    user_id        uuid           REFERENCES users (id),
    name           text,
    currency       text           NOT NULL,
    minor_units    smallint       NOT NULL,
    allow_negative boolean        NOT NULL DEFAULT false,
    -- Not numeric(20,4): that rounds in silence and lets NaN through. The
    -- bounds of the checks refuse NaN and Infinity.
    balance        numeric        NOT NULL DEFAULT 0,
    -- Of the balance, what is set aside for payments under way.
    held           numeric        NOT NULL DEFAULT 0,
    -- The number of its last entry.
    version        bigint         NOT NULL DEFAULT 0,
    last_entry     bigint         GENERATED ALWAYS AS (NULLIF(version, 0)) STORED,
    created_at     timestamptz    NOT NULL,
    updated_at     timestamptz    NOT NULL,
    closed_at      timestamptz,

    -- For transfers and holds, whose amounts are in the account's currency.
    CONSTRAINT accounts_pair UNIQUE (id, currency, minor_units),
    CONSTRAINT accounts_currency FOREIGN KEY (currency, minor_units) REFERENCES currencies (code, minor_units),
    CONSTRAINT accounts_owner CHECK ((kind = 'user') = (user_id IS NOT NULL)),
    CONSTRAINT accounts_name CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT accounts_may_be_negative CHECK (NOT allow_negative OR kind IN ('world', 'clearing')),
    CONSTRAINT accounts_balance CHECK (
        balance > -1e15 AND balance < 1e15 AND balance = round(balance, minor_units)),
    CONSTRAINT accounts_held CHECK (held >= 0 AND held < 1e15 AND held = round(held, minor_units)),
    CONSTRAINT accounts_funds CHECK (allow_negative OR balance - held >= 0),
    CONSTRAINT accounts_version CHECK (version >= 0),
    CONSTRAINT accounts_begin_empty CHECK (version > 0 OR balance = 0),
    CONSTRAINT accounts_updated CHECK (updated_at >= created_at),
    CONSTRAINT accounts_closed CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
    CONSTRAINT accounts_closed_is_empty CHECK (status = 'open' OR (balance = 0 AND held = 0))
);
CREATE UNIQUE INDEX accounts_one_open_per_currency ON accounts (user_id, currency) WHERE status = 'open' AND kind = 'user';
CREATE UNIQUE INDEX accounts_one_of_the_house ON accounts (kind, currency) WHERE kind <> 'user';
CREATE INDEX accounts_of_user ON accounts (user_id, created_at, id) WHERE kind = 'user';

CREATE TABLE transfers (
    -- Made by the caller: the same transfer asked for twice is one.
    id                uuid        PRIMARY KEY,
    -- From here
    debit_account_id  uuid        NOT NULL,
    -- to there.
    credit_account_id uuid        NOT NULL,
    currency          text        NOT NULL,
    minor_units       smallint    NOT NULL,
    amount            numeric     NOT NULL,
    note              text,
    created_at        timestamptz NOT NULL,

    -- For entries, and for the hold that it captures.
    CONSTRAINT transfers_pair UNIQUE (id, currency, minor_units),
    CONSTRAINT transfers_payment UNIQUE (id, debit_account_id, currency, minor_units, amount),
    CONSTRAINT transfers_debit FOREIGN KEY (debit_account_id, currency, minor_units)
        REFERENCES accounts (id, currency, minor_units),
    CONSTRAINT transfers_credit FOREIGN KEY (credit_account_id, currency, minor_units)
        REFERENCES accounts (id, currency, minor_units),
    CONSTRAINT transfers_two_accounts CHECK (debit_account_id <> credit_account_id),
    CONSTRAINT transfers_amount CHECK (amount > 0 AND amount < 1e15 AND amount = round(amount, minor_units)),
    CONSTRAINT transfers_note CHECK (length(note) BETWEEN 1 AND 200)
);

-- What a transfer did to one account. Each entry follows the account's one
-- before, from the balance that that one left; the account has the balance of
-- its last. So a balance is the sum of its entries, and a history can't fork.
CREATE TABLE entries (
    transfer_id      uuid     NOT NULL,
    account_id       uuid     NOT NULL,
    -- From 1, without gaps.
    account_version  bigint   NOT NULL,
    previous_version bigint   GENERATED ALWAYS AS (NULLIF(account_version - 1, 0)) STORED,
    currency         text     NOT NULL,
    minor_units      smallint NOT NULL,
    -- Negative: left the account.
    amount           numeric  NOT NULL,
    balance_after    numeric  NOT NULL,
    balance_before   numeric  GENERATED ALWAYS AS (balance_after - amount) STORED,

    PRIMARY KEY (transfer_id, account_id),
    CONSTRAINT entries_history UNIQUE (account_id, account_version),
    CONSTRAINT entries_balance_reached UNIQUE (account_id, account_version, balance_after),
    CONSTRAINT entries_transfer FOREIGN KEY (transfer_id, currency, minor_units)
        REFERENCES transfers (id, currency, minor_units),
    CONSTRAINT entries_account FOREIGN KEY (account_id, currency, minor_units)
        REFERENCES accounts (id, currency, minor_units),
    CONSTRAINT entries_follow FOREIGN KEY (account_id, previous_version, balance_before)
        REFERENCES entries (account_id, account_version, balance_after),
    CONSTRAINT entries_begin CHECK (account_version > 1 OR (account_version = 1 AND balance_before = 0)),
    CONSTRAINT entries_amount CHECK (
        amount <> 0 AND amount > -1e15 AND amount < 1e15 AND amount = round(amount, minor_units)),
    CONSTRAINT entries_balance CHECK (
        balance_after > -1e15 AND balance_after < 1e15 AND balance_after = round(balance_after, minor_units))
);
ALTER TABLE accounts ADD CONSTRAINT accounts_balance_is_last_entry FOREIGN KEY (id, last_entry, balance)
    REFERENCES entries (account_id, account_version, balance_after) DEFERRABLE INITIALLY DEFERRED;

CREATE TYPE hold_state AS ENUM ('held', 'captured', 'released', 'expired');

CREATE TABLE holds (
    -- The payment's id, which is also that of the transfer that captures it.
    id          uuid        PRIMARY KEY,
    state       hold_state  NOT NULL DEFAULT 'held',
    -- All empty in a tombstone: a release that came before its hold, and is
    -- there to refuse it.
    account_id  uuid,
    currency    text,
    minor_units smallint,
    amount      numeric,
    expires_at  timestamptz,
    transfer_id uuid,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,

    CONSTRAINT holds_account FOREIGN KEY (account_id, currency, minor_units)
        REFERENCES accounts (id, currency, minor_units),
    -- From the account it was held in, exactly as much as was held.
    CONSTRAINT holds_transfer FOREIGN KEY (transfer_id, account_id, currency, minor_units, amount)
        REFERENCES transfers (id, debit_account_id, currency, minor_units, amount),
    CONSTRAINT holds_tombstone CHECK (
        num_nulls(account_id, currency, minor_units, amount, expires_at) = 0
        OR (state = 'released' AND num_nonnulls(account_id, currency, minor_units, amount, expires_at) = 0)),
    CONSTRAINT holds_captured CHECK ((state = 'captured') = (transfer_id IS NOT NULL)),
    CONSTRAINT holds_captured_by_its_transfer CHECK (transfer_id = id),
    CONSTRAINT holds_amount CHECK (amount > 0 AND amount < 1e15 AND amount = round(amount, minor_units)),
    CONSTRAINT holds_expires CHECK (expires_at > created_at),
    CONSTRAINT holds_updated CHECK (updated_at >= created_at)
);
CREATE INDEX holds_open ON holds (account_id) INCLUDE (amount) WHERE state = 'held';
CREATE INDEX holds_expiring ON holds (expires_at) WHERE state = 'held';

-- Looked at when the transaction ends, when transfer, entries and accounts are
-- all written.
CREATE FUNCTION transfers_match_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed uuid;
    refused text;
BEGIN
    IF TG_TABLE_NAME = 'transfers' THEN changed := NEW.id; ELSE changed := NEW.transfer_id; END IF;
    SELECT CASE
        WHEN count(e.*) < 2 THEN 'entries_at_least_two'
        -- They share the transfer's currency by foreign key.
        WHEN sum(e.amount) <> 0 THEN 'entries_sum_to_zero'
        WHEN NOT bool_or(e.account_id = t.debit_account_id AND e.amount = -t.amount)
          OR NOT bool_or(e.account_id = t.credit_account_id AND e.amount = t.amount)
        THEN 'entries_match_transfer' END
    INTO refused
    FROM transfers t LEFT JOIN entries e ON e.transfer_id = t.id
    WHERE t.id = changed
    GROUP BY t.id;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION 'the entries of transfer % don''t make it up', changed
            USING ERRCODE = 'check_violation', CONSTRAINT = refused;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER transfers_match_entries AFTER INSERT ON transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION transfers_match_entries();
CREATE CONSTRAINT TRIGGER entries_match_transfer AFTER INSERT ON entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION transfers_match_entries();

-- The other half of accounts_balance_is_last_entry: no entry that the account
-- has not taken in.
CREATE FUNCTION entries_taken_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM accounts WHERE id = NEW.account_id AND version >= NEW.account_version) THEN
        RAISE EXCEPTION 'account % has not taken in entry %', NEW.account_id, NEW.account_version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_taken_in';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER entries_taken_in AFTER INSERT ON entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entries_taken_in();

CREATE FUNCTION accounts_held_is_open_holds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed uuid;
BEGIN
    IF TG_TABLE_NAME = 'accounts' THEN changed := NEW.id;
    ELSIF TG_OP = 'DELETE' THEN changed := OLD.account_id;
    ELSE changed := NEW.account_id; END IF;
    IF EXISTS (
        SELECT FROM accounts a
        WHERE a.id = changed AND a.held <> (
            SELECT COALESCE(sum(h.amount), 0) FROM holds h WHERE h.account_id = changed AND h.state = 'held'))
    THEN
        RAISE EXCEPTION 'account % holds something else than its open holds', changed
            USING ERRCODE = 'check_violation', CONSTRAINT = 'accounts_held_is_open_holds';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER accounts_held_is_open_holds AFTER INSERT OR UPDATE OF held ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION accounts_held_is_open_holds();
CREATE CONSTRAINT TRIGGER holds_are_held AFTER INSERT OR UPDATE OR DELETE ON holds
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION accounts_held_is_open_holds();

-- A hold ends once, and what is held doesn't change.
CREATE FUNCTION holds_end_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'held'
        OR (NEW.id, NEW.account_id, NEW.amount, NEW.created_at)
            IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.amount, OLD.created_at)
    THEN
        RAISE EXCEPTION 'hold % is %', OLD.id, OLD.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'holds_end_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER holds_end_once BEFORE UPDATE ON holds FOR EACH ROW EXECUTE FUNCTION holds_end_once();

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;
CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- The house has one account of each kind in each currency from the start.
INSERT INTO accounts (id, kind, currency, minor_units, allow_negative, created_at, updated_at)
SELECT format('00000000-0000-7000-8000-%s', lpad(row_number() OVER (ORDER BY kind, code)::text, 12, '0'))::uuid,
       kind, code, minor_units, kind <> 'revenue', 'epoch', 'epoch'
FROM currencies, unnest(ARRAY['world', 'revenue', 'clearing']::account_kind[]) AS kind;

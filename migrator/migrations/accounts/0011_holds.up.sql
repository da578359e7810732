-- Holds: money set aside for a payment, then taken or given back. Each function
-- is one transaction, and doing it again gives the same answer.
--
-- Accounts are locked before their holds, by everyone.

-- Sets money aside for payment `hold_id`. Verdicts: the state of the hold: held,
-- or how it ended already (released, too, when a release came first); and why not:
-- no_account, account_closed, currency_mismatch, insufficient_funds, differs (the
-- payment is known with another account or amount).
CREATE FUNCTION hold_place(
    hold_id uuid, from_account uuid, owner uuid, amount numeric, wanted_currency text, expires_at timestamptz,
    now timestamptz, event_id uuid, traceparent text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    account accounts;
    known   holds;
    at      timestamptz;
BEGIN
    SELECT * INTO account FROM accounts a
    WHERE a.id = from_account AND a.user_id = owner FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'no_account';
    END IF;
    SELECT * INTO known FROM holds h WHERE h.id = hold_id;
    IF FOUND THEN
        RETURN CASE WHEN known.account_id IS NULL OR (known.account_id = from_account
            AND known.amount = hold_place.amount AND known.currency = wanted_currency)
            THEN known.state::text ELSE 'differs' END;
    END IF;
    IF account.status = 'closed' THEN
        RETURN 'account_closed';
    ELSIF account.currency <> wanted_currency THEN
        RETURN 'currency_mismatch';
    ELSIF account.balance - account.held < amount THEN
        RETURN 'insufficient_funds';
    END IF;
    at := GREATEST(now, account.updated_at);
    INSERT INTO holds (id, account_id, currency, minor_units, amount, expires_at, created_at, updated_at)
    VALUES (hold_id, from_account, account.currency, account.minor_units, amount, expires_at, now, now)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        -- A release came in between, or the same payment on another account.
        SELECT * INTO known FROM holds h WHERE h.id = hold_id;
        RETURN CASE WHEN known.account_id IS NULL THEN known.state::text ELSE 'differs' END;
    END IF;
    UPDATE accounts a SET held = a.held + hold_place.amount, updated_at = at WHERE a.id = from_account;
    INSERT INTO outbox (id, subject, aggregate_id, aggregate_version, data, occurred_at, traceparent)
    VALUES (event_id, 'evt.accounts.hold.placed.v1', hold_id, 1,
            jsonb_build_object('hold_id', hold_id, 'user_id', owner), now, traceparent);
    RETURN 'held';
END $$;

-- Takes the money of a hold: it goes to the house's revenue by a transfer with
-- the hold's id. Returns the hold's state, captured if all is well; no row when
-- the payment is unknown.
CREATE FUNCTION hold_capture(
    hold_id uuid, note text, now timestamptz, event_id uuid, transfer_event_id uuid, traceparent text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    held_now holds;
    account  accounts;
    debit    accounts;
    credit   accounts;
BEGIN
    -- Whose it is and how much never changes; its state is looked at under lock.
    SELECT * INTO held_now FROM holds h WHERE h.id = hold_id;
    IF NOT FOUND OR held_now.state <> 'held' THEN
        RETURN held_now.state;
    END IF;
    FOR account IN
        SELECT * FROM accounts a
        WHERE a.id = held_now.account_id OR (a.kind = 'revenue' AND a.currency = held_now.currency)
        ORDER BY a.id FOR NO KEY UPDATE
    LOOP
        IF account.kind = 'user' THEN debit := account; ELSE credit := account; END IF;
    END LOOP;
    SELECT * INTO held_now FROM holds h WHERE h.id = hold_id FOR NO KEY UPDATE;
    IF held_now.state <> 'held' THEN
        RETURN held_now.state;
    END IF;
    UPDATE accounts a SET held = a.held - held_now.amount WHERE a.id = debit.id;
    PERFORM ledger_write(hold_id, debit, credit, held_now.amount, note, now, transfer_event_id, traceparent);
    UPDATE holds h SET state = 'captured', transfer_id = hold_id, updated_at = GREATEST(now, h.updated_at)
    WHERE h.id = hold_id;
    INSERT INTO outbox (id, subject, aggregate_id, aggregate_version, data, occurred_at, traceparent)
    VALUES (event_id, 'evt.accounts.hold.captured.v1', hold_id, 2,
            jsonb_build_object('hold_id', hold_id, 'user_id', debit.user_id), now, traceparent);
    RETURN 'captured';
END $$;

-- Gives the money of a hold back, as `released` or as `expired`. Returns the
-- hold's state. Releasing an unknown payment writes a tombstone, that refuses
-- the hold when it comes late.
CREATE FUNCTION hold_end(
    hold_id uuid, wanted hold_state, now timestamptz, event_id uuid, traceparent text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    known holds;
    owner uuid;
BEGIN
    IF wanted = 'released' THEN
        INSERT INTO holds (id, state, created_at, updated_at) VALUES (hold_id, 'released', now, now)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN 'released';
        END IF;
    END IF;
    SELECT * INTO known FROM holds h WHERE h.id = hold_id;
    IF NOT FOUND OR known.state <> 'held' THEN
        RETURN known.state;
    END IF;
    SELECT a.user_id INTO owner FROM accounts a WHERE a.id = known.account_id FOR NO KEY UPDATE;
    SELECT * INTO known FROM holds h WHERE h.id = hold_id FOR NO KEY UPDATE;
    IF known.state <> 'held' THEN
        RETURN known.state;
    END IF;
    UPDATE holds h SET state = wanted, updated_at = GREATEST(now, h.updated_at) WHERE h.id = hold_id;
    UPDATE accounts a SET held = a.held - known.amount, updated_at = GREATEST(now, a.updated_at)
    WHERE a.id = known.account_id;
    INSERT INTO outbox (id, subject, aggregate_id, aggregate_version, data, occurred_at, traceparent)
    VALUES (event_id, format('evt.accounts.hold.%s.v1', wanted), hold_id, 2,
            jsonb_build_object('hold_id', hold_id, 'user_id', owner), now, traceparent);
    RETURN wanted;
END $$;

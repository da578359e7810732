-- A payment that is begun after its time is over holds nothing: it is expired,
-- which is its verdict here, too. Otherwise hold_place stays as it was.
CREATE OR REPLACE FUNCTION hold_place(
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
    IF expires_at <= now THEN
        RETURN 'expired';
    ELSIF account.status = 'closed' THEN
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

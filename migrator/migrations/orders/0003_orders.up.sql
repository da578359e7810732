-- Orders: what was bought, for how much, and the way each one took.

CREATE TYPE order_state AS ENUM ('pending_payment', 'capturing', 'paid', 'fulfilled', 'cancelled', 'expired');

-- The allowed changes of state. CAPTURING is the point of no return: money may
-- have moved, so only a definite refusal leads out of it backwards.
CREATE TABLE order_edges (
    from_state order_state NOT NULL,
    to_state   order_state NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO order_edges (from_state, to_state) VALUES
    ('pending_payment', 'capturing'),
    ('pending_payment', 'cancelled'),
    ('pending_payment', 'expired'),
    ('capturing', 'paid'),
    ('capturing', 'cancelled'),
    ('paid', 'fulfilled');

CREATE TABLE orders (
    id          uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL,
    -- The client's name of the call that made it: the same call again finds it.
    request_id  uuid        NOT NULL,
    -- The cart it was made of; a cart becomes an order once.
    cart_id     uuid,
    state       order_state NOT NULL DEFAULT 'pending_payment',
    -- The number of its last transition.
    version     bigint      NOT NULL DEFAULT 1,
    currency    text        NOT NULL,
    minor_units smallint    NOT NULL,
    -- Copies over all lines.
    quantity    bigint      NOT NULL,
    subtotal    numeric     NOT NULL,
    discount    numeric     NOT NULL DEFAULT 0,
    total       numeric     NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    -- Until when the payment may come.
    expires_at  timestamptz,
    paid_at     timestamptz,

    CONSTRAINT orders_cart_once UNIQUE (cart_id),
    CONSTRAINT orders_request_once UNIQUE (user_id, request_id),
    -- For the lines, whose amounts are in the order's currency.
    CONSTRAINT orders_currency_of_lines UNIQUE (id, currency, minor_units),
    CONSTRAINT orders_currency FOREIGN KEY (currency, minor_units) REFERENCES currencies (code, minor_units),
    CONSTRAINT orders_quantity CHECK (quantity > 0),
    CONSTRAINT orders_amounts CHECK (
        subtotal >= 0 AND subtotal < 1e15 AND subtotal = round(subtotal, minor_units)
        AND discount >= 0 AND discount < 1e15 AND discount = round(discount, minor_units)),
    CONSTRAINT orders_total CHECK (total = subtotal - discount AND total >= 0),
    CONSTRAINT orders_updated CHECK (updated_at >= created_at),
    CONSTRAINT orders_expires CHECK ((state = 'pending_payment') = (expires_at IS NOT NULL)),
    CONSTRAINT orders_paid CHECK ((state IN ('paid', 'fulfilled')) = (paid_at IS NOT NULL))
);
CREATE INDEX orders_of_user ON orders (user_id, created_at DESC, id DESC);
CREATE INDEX orders_of_user_by_state ON orders (user_id, state, created_at DESC, id DESC);
CREATE INDEX orders_paid_at ON orders (paid_at) WHERE paid_at IS NOT NULL;

-- The way of each order, one row a step from its making on. Each row follows
-- the one before along an allowed edge, and an order's state is that of the
-- row its version names: an order can't be anywhere it may not have gone.
CREATE TABLE order_transitions (
    order_id         uuid        NOT NULL REFERENCES orders (id),
    version          bigint      NOT NULL,
    previous_version bigint      GENERATED ALWAYS AS (NULLIF(version - 1, 0)) STORED,
    from_state       order_state,
    to_state         order_state NOT NULL,
    at               timestamptz NOT NULL,

    PRIMARY KEY (order_id, version),
    CONSTRAINT order_transitions_state UNIQUE (order_id, version, to_state),
    CONSTRAINT order_transitions_begin CHECK (
        version > 0
        AND (version = 1) = (from_state IS NULL)
        AND (version > 1 OR to_state = 'pending_payment')),
    CONSTRAINT order_transitions_edge FOREIGN KEY (from_state, to_state) REFERENCES order_edges (from_state, to_state),
    CONSTRAINT order_transitions_follow FOREIGN KEY (order_id, previous_version, from_state)
        REFERENCES order_transitions (order_id, version, to_state)
);
ALTER TABLE orders ADD CONSTRAINT orders_state_reached FOREIGN KEY (id, version, state)
    REFERENCES order_transitions (order_id, version, to_state) DEFERRABLE INITIALLY DEFERRED;

-- Snapshots: later changes of an item don't reach what was sold.
CREATE TABLE order_lines (
    order_id    uuid     NOT NULL,
    -- From 1, in the order of the cart.
    position    smallint NOT NULL,
    item_id     uuid     NOT NULL REFERENCES items (id),
    title       text     NOT NULL,
    author      text     NOT NULL,
    quantity    integer  NOT NULL,
    currency    text     NOT NULL,
    minor_units smallint NOT NULL,
    unit_price  numeric  NOT NULL,
    discount    numeric  NOT NULL DEFAULT 0,
    total       numeric  NOT NULL,

    PRIMARY KEY (order_id, position),
    CONSTRAINT order_lines_item_once UNIQUE (order_id, item_id),
    CONSTRAINT order_lines_order FOREIGN KEY (order_id, currency, minor_units)
        REFERENCES orders (id, currency, minor_units),
    CONSTRAINT order_lines_position CHECK (position > 0),
    CONSTRAINT order_lines_quantity CHECK (quantity BETWEEN 1 AND 10000),
    CONSTRAINT order_lines_amounts CHECK (
        unit_price >= 0 AND unit_price < 1e15 AND unit_price = round(unit_price, minor_units)
        AND discount >= 0 AND discount < 1e15 AND discount = round(discount, minor_units)),
    CONSTRAINT order_lines_total CHECK (total = unit_price * quantity - discount AND total >= 0)
);

-- An order is the sum of its lines, looked at when the transaction ends: both
-- are written by then, and neither changes afterwards.
CREATE FUNCTION orders_match_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed uuid;
BEGIN
    IF TG_TABLE_NAME = 'orders' THEN changed := NEW.id; ELSE changed := NEW.order_id; END IF;
    IF NOT EXISTS (
        SELECT FROM orders o
        WHERE o.id = changed
          AND (o.quantity, o.subtotal, o.discount) = (
              SELECT sum(l.quantity), sum(l.unit_price * l.quantity), sum(l.discount)
              FROM order_lines l WHERE l.order_id = changed))
    THEN
        RAISE EXCEPTION 'order % is not the sum of its lines', changed
            USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_match_lines';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER orders_match_lines
    AFTER INSERT OR UPDATE OF quantity, subtotal, discount ON orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION orders_match_lines();
CREATE CONSTRAINT TRIGGER order_lines_match_order
    AFTER INSERT ON order_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION orders_match_lines();

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;
CREATE TRIGGER order_lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_lines
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER order_transitions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_transitions
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Carts: what somebody means to buy. Prices aren't kept, nor a currency: they
-- are looked up when the cart is shown, and an order is what fixes them.

CREATE TABLE carts (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL,
    -- Raised by every change of the cart or its lines; its etag.
    version    bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,

    -- Also how a user's cart is found.
    CONSTRAINT carts_one_per_user UNIQUE (user_id),
    CONSTRAINT carts_version CHECK (version > 0),
    CONSTRAINT carts_updated CHECK (updated_at >= created_at)
);

CREATE TABLE cart_lines (
    cart_id  uuid     NOT NULL,
    item_id  uuid     NOT NULL REFERENCES items (id),
    -- From 1, in the order of adding, and so that of the order's lines. Its
    -- upper bound is that of a cart.
    position smallint NOT NULL,
    quantity integer  NOT NULL,

    PRIMARY KEY (cart_id, item_id),
    CONSTRAINT cart_lines_cart FOREIGN KEY (cart_id) REFERENCES carts (id) ON DELETE CASCADE,
    -- Looked at after a statement, so that one statement closes a gap.
    CONSTRAINT cart_lines_position_once UNIQUE (cart_id, position) DEFERRABLE,
    CONSTRAINT cart_lines_position CHECK (position BETWEEN 1 AND 100),
    -- That of an order's lines.
    CONSTRAINT cart_lines_quantity CHECK (quantity BETWEEN 1 AND 10000)
);

-- An order takes its cart away: it is made of a cart that its own user had, and
-- nothing is in a cart any more once it was ordered. So there is no cart for a
-- foreign key of orders.cart_id to lead to. Orders without a cart aren't looked at.
CREATE FUNCTION orders_take_cart() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM carts WHERE id = NEW.cart_id AND user_id = NEW.user_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'cart % is not one of the user of order %', NEW.cart_id, NEW.id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'orders_cart_of_user';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER orders_take_cart AFTER INSERT OR UPDATE OF cart_id ON orders
    FOR EACH ROW WHEN (NEW.cart_id IS NOT NULL) EXECUTE FUNCTION orders_take_cart();

-- Two items, the first with a price and stock; order 1 waits for its payment,
-- order 2 is paid. Bea has a cart. `place` makes an order rightly, `go` moves it rightly.
CREATE FUNCTION item(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT ('00000000-0000-7000-8000-0000000000a' || n)::uuid $$;
CREATE FUNCTION o(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT ('00000000-0000-7000-8000-0000000000b' || n)::uuid $$;
CREATE FUNCTION ana() RETURNS uuid LANGUAGE sql AS $$ SELECT '00000000-0000-7000-8000-0000000000c1'::uuid $$;
CREATE FUNCTION bea() RETURNS uuid LANGUAGE sql AS $$ SELECT '00000000-0000-7000-8000-0000000000c2'::uuid $$;
INSERT INTO items (id, title, author, created_at, updated_at)
VALUES (item(1), 'One', 'A', '2026-01-01', '2026-01-01'), (item(2), 'Two', 'A', '2026-01-01', '2026-01-01');
INSERT INTO item_prices VALUES (item(1), 'USD', 2, 10, '2026-01-01', '2026-02-01');
INSERT INTO item_stock VALUES (item(1), 5, 2);

CREATE FUNCTION cart(n int, of_user uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO carts (id, user_id, created_at, updated_at) VALUES (o(n), of_user, '2026-01-01', '2026-01-01');
    INSERT INTO cart_lines (cart_id, item_id, position, quantity) VALUES (o(n), item(1), 1, 2);
$$;
CREATE FUNCTION place_empty(n int) RETURNS void LANGUAGE sql AS $$
    SELECT cart(n, ana());
    INSERT INTO orders (id, user_id, request_id, cart_id, currency, minor_units, quantity, subtotal, discount, total, created_at, updated_at, expires_at)
    VALUES (o(n), ana(), o(n), o(n), 'USD', 2, 3, 30, 1, 29, '2026-01-01', '2026-01-01', '2026-01-02');
    INSERT INTO order_transitions (order_id, version, to_state, at) VALUES (o(n), 1, 'pending_payment', '2026-01-01');
$$;
CREATE FUNCTION line(n int, place int, what int, copies int, off numeric) RETURNS void LANGUAGE sql AS $$
    INSERT INTO order_lines (order_id, position, item_id, title, author, quantity, currency, minor_units, unit_price, discount, total)
    VALUES (o(n), place, item(what), 'T', 'A', copies, 'USD', 2, 10, off, 10 * copies - off);
$$;
CREATE FUNCTION place(n int) RETURNS void LANGUAGE sql AS $$
    SELECT place_empty(n), line(n, 1, 1, 2, 1), line(n, 2, 2, 1, 0);
$$;
CREATE FUNCTION go(n int, state order_state) RETURNS void LANGUAGE sql AS $$
    INSERT INTO order_transitions (order_id, version, from_state, to_state, at)
    SELECT id, version + 1, orders.state, go.state, '2026-01-01' FROM orders WHERE id = o(n);
    UPDATE orders SET state = go.state, version = version + 1,
        expires_at = CASE go.state WHEN 'pending_payment' THEN timestamptz '2026-01-02' END,
        paid_at = CASE WHEN go.state IN ('paid', 'fulfilled') THEN timestamptz '2026-01-01' END
    WHERE id = o(n);
$$;
CREATE FUNCTION reach(n int, goal order_state) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    step order_state;
BEGIN
    FOREACH step IN ARRAY CASE goal
        WHEN 'pending_payment' THEN '{}'
        WHEN 'capturing' THEN '{capturing}'
        WHEN 'paid' THEN '{capturing,paid}'
        WHEN 'fulfilled' THEN '{capturing,paid,fulfilled}'
        ELSE ARRAY[goal] END::order_state[]
    LOOP
        PERFORM go(n, step);
    END LOOP;
END $$;
SELECT place(1);
SELECT place(2), reach(2, 'paid');
SELECT cart(3, bea());
INSERT INTO departures (user_id, requested_at) VALUES ('00000000-0000-7000-8000-0000000000d1', now());

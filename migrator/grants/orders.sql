-- What the orders service may do in the orders database. Applied after every
-- `up`, so a new table needs a line here: whatever isn't named can't be touched.

-- Roles belong to the whole server: another database's migrator may make the
-- same one at the same time.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'orders_app') THEN
        CREATE ROLE orders_app LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$ BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, orders_app', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO orders_app', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC, orders_app;
GRANT USAGE ON SCHEMA public TO orders_app;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, orders_app;

-- Written with the work, marked when published or put off, swept later.
GRANT SELECT, INSERT, UPDATE (published_at, attempts, next_attempt_at), DELETE ON outbox TO orders_app;
GRANT SELECT, INSERT, DELETE ON inbox TO orders_app;

-- Given by the migrations, read only.
GRANT SELECT ON currencies, order_edges TO orders_app;

-- Items are never deleted, only marked; a price ends and another begins.
GRANT SELECT, INSERT, UPDATE ON items TO orders_app;
GRANT SELECT, INSERT, UPDATE (on_hand, reserved) ON item_stock TO orders_app;
GRANT SELECT, INSERT, UPDATE (sold) ON item_sales TO orders_app;
GRANT SELECT, INSERT, UPDATE (valid_until) ON item_prices TO orders_app;

-- Orders stay, and only their state changes. What was bought, and the way it
-- took, is append-only.
GRANT SELECT, INSERT, UPDATE (state, version, updated_at, expires_at, paid_at) ON orders TO orders_app;
GRANT SELECT, INSERT ON order_lines, order_transitions TO orders_app;

-- A cart is its user's to change and empty, until an order takes it away.
GRANT SELECT, INSERT, UPDATE (version, updated_at), DELETE ON carts TO orders_app;
GRANT SELECT, INSERT, UPDATE (position, quantity), DELETE ON cart_lines TO orders_app;

-- Who left doesn't come back under the same id.
GRANT SELECT, INSERT, UPDATE (erased_at) ON departures TO orders_app;

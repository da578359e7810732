-- What must be refused, one a line, and the constraint that has to do it.

INSERT INTO currencies VALUES ('USD', 3) -- currencies_pkey
INSERT INTO currencies VALUES ('usd', 2) -- currencies_code
INSERT INTO currencies VALUES ('XTS', 5) -- currencies_minor_units

-- Items
INSERT INTO items (id, title, author, created_at, updated_at) VALUES (item(1), 'T', 'A', now(), now()) -- items_pkey
UPDATE items SET title = '' -- items_title
UPDATE items SET title = repeat('a', 301) -- items_title
UPDATE items SET author = '' -- items_author
UPDATE items SET author = repeat('a', 201) -- items_author
UPDATE items SET description = repeat('a', 5001) -- items_description
UPDATE items SET tags = '{Upper}' -- items_tags
UPDATE items SET tags = '{"two words"}' -- items_tags
UPDATE items SET tags = '{""}' -- items_tags
UPDATE items SET tags = '{"a,b"}' -- items_tags
UPDATE items SET tags = '{a,""}' -- items_tags
UPDATE items SET tags = '{a,NULL}' -- items_tags
UPDATE items SET tags = '{{a},{b}}' -- items_tags
UPDATE items SET tags = ARRAY[repeat('a', 41)] -- items_tags
UPDATE items SET tags = array_fill('a'::text, '{21}') -- items_tags
UPDATE items SET updated_at = created_at - interval '1 second' -- items_updated
UPDATE items SET deleted_at = created_at - interval '1 second' -- items_deleted
UPDATE items SET version = 0 -- items_version
DELETE FROM items WHERE id = item(1) -- item_prices_item_id_fkey

-- Prices
INSERT INTO item_prices VALUES (item(1), 'USD', 2, 9, '2026-01-01', '2026-01-02') -- item_prices_pkey
INSERT INTO item_prices VALUES (item(9), 'USD', 2, 9, '2026-01-01', NULL) -- item_prices_item_id_fkey
INSERT INTO item_prices VALUES (item(2), 'XTS', 2, 9, '2026-01-01', NULL) -- item_prices_currency
INSERT INTO item_prices VALUES (item(2), 'JPY', 2, 9, '2026-01-01', NULL) -- item_prices_currency
INSERT INTO item_prices VALUES (item(2), 'JPY', 0, 9.5, '2026-01-01', NULL) -- item_prices_amount
INSERT INTO item_prices VALUES (item(2), 'USD', 2, 9.999, '2026-01-01', NULL) -- item_prices_amount
INSERT INTO item_prices VALUES (item(2), 'USD', 2, -1, '2026-01-01', NULL) -- item_prices_amount
INSERT INTO item_prices VALUES (item(2), 'USD', 2, 'NaN', '2026-01-01', NULL) -- item_prices_amount
INSERT INTO item_prices VALUES (item(2), 'USD', 2, 'Infinity', '2026-01-01', NULL) -- item_prices_amount
INSERT INTO item_prices VALUES (item(2), 'USD', 2, 1e15, '2026-01-01', NULL) -- item_prices_amount
INSERT INTO item_prices VALUES (item(2), 'USD', 2, 9, '2026-01-01', '2026-01-01') -- item_prices_period
INSERT INTO item_prices VALUES (item(2), 'USD', 2, 9, '2026-01-02', '2026-01-01') -- item_prices_period
INSERT INTO item_prices VALUES (item(1), 'USD', 2, 9, '2026-01-31', NULL) -- item_prices_one_at_a_time
INSERT INTO item_prices VALUES (item(1), 'USD', 2, 9, '2025-01-01', '2027-01-01') -- item_prices_one_at_a_time
UPDATE item_prices SET valid_until = NULL; INSERT INTO item_prices VALUES (item(1), 'USD', 2, 9, '2030-01-01', NULL) -- item_prices_one_at_a_time

-- Stock and sales
INSERT INTO item_stock VALUES (item(1), 1, 0) -- item_stock_pkey
INSERT INTO item_stock VALUES (item(9), 1, 0) -- item_stock_item_id_fkey
UPDATE item_stock SET reserved = 6 -- item_stock_reserved
UPDATE item_stock SET reserved = -1 -- item_stock_reserved
UPDATE item_stock SET on_hand = 1 -- item_stock_reserved
UPDATE item_stock SET on_hand = -1, reserved = -1 -- item_stock_reserved
INSERT INTO item_sales VALUES (item(1), 1) -- item_sales_pkey
INSERT INTO item_sales VALUES (item(9), 1) -- item_sales_item_id_fkey
UPDATE item_sales SET sold = -1 -- item_sales_sold

-- Orders
INSERT INTO order_edges VALUES ('paid', 'fulfilled') -- order_edges_pkey
SELECT place(1) -- orders_pkey
SELECT place(9); UPDATE orders SET request_id = o(1) WHERE id = o(9) -- orders_request_once
SELECT place(9); UPDATE orders SET cart_id = o(1) WHERE id = o(9) -- orders_cart_once
SELECT place_empty(9); UPDATE orders SET currency = 'XTS' WHERE id = o(9) -- orders_currency
UPDATE orders SET currency = 'EUR' WHERE id = o(1) -- order_lines_order
UPDATE orders SET quantity = 0 WHERE id = o(1) -- orders_quantity
UPDATE orders SET subtotal = 'NaN', total = 'NaN' WHERE id = o(1) -- orders_amounts
UPDATE orders SET subtotal = 'Infinity', total = 'Infinity' WHERE id = o(1) -- orders_amounts
UPDATE orders SET subtotal = 1e15, total = 1e15 - 1 WHERE id = o(1) -- orders_amounts
UPDATE orders SET subtotal = 30.001, total = 29.001 WHERE id = o(1) -- orders_amounts
UPDATE orders SET discount = -1, total = 31 WHERE id = o(1) -- orders_amounts
UPDATE orders SET discount = 0.001, total = 29.999 WHERE id = o(1) -- orders_amounts
UPDATE orders SET total = 28 WHERE id = o(1) -- orders_total
UPDATE orders SET discount = 31, total = -1 WHERE id = o(1) -- orders_total
UPDATE orders SET updated_at = created_at - interval '1 second' WHERE id = o(1) -- orders_updated
UPDATE orders SET expires_at = NULL WHERE id = o(1) -- orders_expires
UPDATE orders SET expires_at = now() WHERE id = o(2) -- orders_expires
UPDATE orders SET paid_at = now() WHERE id = o(1) -- orders_paid
UPDATE orders SET paid_at = NULL WHERE id = o(2) -- orders_paid
DELETE FROM orders WHERE id = o(1) -- order_transitions_order_id_fkey

-- An order is the sum of its lines
SELECT place_empty(9) -- orders_match_lines
SELECT place_empty(9), line(9, 1, 1, 2, 1) -- orders_match_lines
SELECT place_empty(9), line(9, 1, 1, 3, 0) -- orders_match_lines
SELECT place_empty(9), line(9, 1, 1, 3, 1), line(9, 2, 2, 1, 0) -- orders_match_lines
UPDATE orders SET subtotal = 40, total = 39 WHERE id = o(1) -- orders_match_lines
UPDATE orders SET discount = 2, total = 28 WHERE id = o(1) -- orders_match_lines
UPDATE orders SET quantity = 4 WHERE id = o(1) -- orders_match_lines
SELECT place(9), line(9, 1, 1, 1, 0) -- order_lines_pkey
SELECT place(9), line(9, 3, 1, 1, 0) -- order_lines_item_once
SELECT place_empty(9), line(9, 1, 9, 3, 1) -- order_lines_item_id_fkey
SELECT line(9, 1, 1, 3, 1) -- order_lines_order
SELECT place_empty(9), line(9, 0, 1, 3, 1) -- order_lines_position
SELECT place_empty(9), line(9, 1, 1, 0, 0) -- order_lines_quantity
SELECT place_empty(9), line(9, 1, 1, 10001, 1) -- order_lines_quantity
SELECT place_empty(9), line(9, 1, 1, 3, -1) -- order_lines_amounts
SELECT place_empty(9), line(9, 1, 1, 3, 0.001) -- order_lines_amounts
SELECT place_empty(9), line(9, 1, 1, 3, 'NaN') -- order_lines_amounts
SELECT place_empty(9), line(9, 1, 1, 3, 31) -- order_lines_total
UPDATE order_lines SET title = 'Another' -- order_lines_append_only
DELETE FROM order_lines -- order_lines_append_only
TRUNCATE order_lines -- order_lines_append_only

-- An order has gone only where it may
INSERT INTO orders (id, user_id, request_id, currency, minor_units, quantity, subtotal, total, created_at, updated_at, expires_at) VALUES (o(9), ana(), o(9), 'USD', 2, 1, 10, 10, now(), now(), now()); SELECT line(9, 1, 1, 1, 0) -- orders_state_reached
UPDATE orders SET state = 'cancelled', expires_at = NULL WHERE id = o(1) -- orders_state_reached
UPDATE orders SET state = 'paid', version = 3, expires_at = NULL, paid_at = now() WHERE id = o(1) -- orders_state_reached
UPDATE orders SET version = 2 WHERE id = o(1) -- orders_state_reached
INSERT INTO order_transitions (order_id, version, to_state, at) VALUES (o(1), 1, 'pending_payment', now()) -- order_transitions_pkey
INSERT INTO order_transitions (order_id, version, from_state, to_state, at) VALUES (o(2), 3, 'capturing', 'cancelled', now()) -- order_transitions_pkey
INSERT INTO order_transitions (order_id, version, to_state, at) VALUES (o(9), 1, 'pending_payment', now()) -- order_transitions_order_id_fkey
INSERT INTO order_transitions (order_id, version, to_state, at) VALUES (o(1), 0, 'pending_payment', now()) -- order_transitions_begin
INSERT INTO order_transitions (order_id, version, to_state, at) VALUES (o(1), 2, 'capturing', now()) -- order_transitions_begin
INSERT INTO order_transitions (order_id, version, to_state, at) VALUES (o(9), 1, 'paid', now()) -- order_transitions_begin
INSERT INTO order_transitions (order_id, version, from_state, to_state, at) VALUES (o(1), 2, 'pending_payment', 'paid', now()) -- order_transitions_edge
INSERT INTO order_transitions (order_id, version, from_state, to_state, at) VALUES (o(1), 2, 'capturing', 'paid', now()) -- order_transitions_follow
INSERT INTO order_transitions (order_id, version, from_state, to_state, at) VALUES (o(1), 3, 'capturing', 'paid', now()) -- order_transitions_follow
DELETE FROM order_edges WHERE to_state = 'paid' -- order_transitions_edge
UPDATE order_transitions SET at = now() -- order_transitions_append_only
DELETE FROM order_transitions -- order_transitions_append_only
TRUNCATE order_transitions, orders, order_lines -- order_transitions_append_only

-- Carts
INSERT INTO carts SELECT id, ana(), 1, now(), now() FROM carts -- carts_pkey
SELECT cart(9, bea()) -- carts_one_per_user
UPDATE carts SET version = 0 -- carts_version
UPDATE carts SET updated_at = created_at - interval '1 second' -- carts_updated
INSERT INTO cart_lines VALUES (o(3), item(1), 2, 1) -- cart_lines_pkey
INSERT INTO cart_lines VALUES (o(3), item(9), 2, 1) -- cart_lines_item_id_fkey
INSERT INTO cart_lines VALUES (o(9), item(1), 1, 1) -- cart_lines_cart
INSERT INTO cart_lines VALUES (o(3), item(2), 1, 1) -- cart_lines_position_once
INSERT INTO cart_lines VALUES (o(3), item(2), 0, 1) -- cart_lines_position
INSERT INTO cart_lines VALUES (o(3), item(2), 101, 1) -- cart_lines_position
UPDATE cart_lines SET quantity = 0 -- cart_lines_quantity
UPDATE cart_lines SET quantity = 10001 -- cart_lines_quantity
INSERT INTO orders (id, user_id, request_id, cart_id, currency, minor_units, quantity, subtotal, total, created_at, updated_at, expires_at) VALUES (o(9), ana(), o(9), o(9), 'USD', 2, 1, 10, 10, now(), now(), now()) -- orders_cart_of_user
INSERT INTO orders (id, user_id, request_id, cart_id, currency, minor_units, quantity, subtotal, total, created_at, updated_at, expires_at) VALUES (o(9), ana(), o(9), o(3), 'USD', 2, 1, 10, 10, now(), now(), now()) -- orders_cart_of_user
UPDATE orders SET cart_id = o(3) WHERE id = o(1) -- orders_cart_of_user

-- Departures
INSERT INTO departures SELECT * FROM departures -- departures_pkey
UPDATE departures SET erased_at = requested_at - interval '1 second' -- departures_erased

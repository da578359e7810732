ALTER TABLE orders DROP CONSTRAINT orders_state_reached;
DROP TABLE order_lines;
DROP TABLE order_transitions;
DROP TABLE orders;
DROP FUNCTION orders_match_lines();
DROP FUNCTION append_only();
DROP TABLE order_edges;
DROP TYPE order_state;

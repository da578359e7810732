-- Made by the harness before it measures transfers: the people whose accounts
-- money moves between, by number, and accounts without any history.

-- Ids that grow with time, as the edge makes them.
CREATE FUNCTION bench_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
        || substr(md5(random()::text), 1, 20))::uuid
$$;

CREATE TABLE bench_people (n int PRIMARY KEY, user_id uuid NOT NULL, account_id uuid);
INSERT INTO bench_people SELECT n, id, NULL FROM unnest($1::uuid[]) WITH ORDINALITY AS people (id, n);

INSERT INTO accounts (id, kind, user_id, currency, minor_units, created_at, updated_at)
SELECT bench_id(), 'user', user_id, 'USD', 2, now(), now() FROM bench_people ON CONFLICT DO NOTHING;
UPDATE bench_people p SET account_id = a.id
FROM accounts a WHERE a.user_id = p.user_id AND a.currency = 'USD' AND a.status = 'open';

-- As many again for the reference, with ids made of their numbers, so that it
-- has nothing to look up.
INSERT INTO users (id, created_at, updated_at)
SELECT ('b0000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, now(), now() FROM bench_people;
INSERT INTO accounts (id, kind, user_id, currency, minor_units, created_at, updated_at)
SELECT ('a0000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'user',
       ('b0000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'USD', 2, now(), now() FROM bench_people;

CREATE TABLE bench_plain (n int PRIMARY KEY, balance numeric NOT NULL CHECK (balance >= 0)) WITH (fillfactor = 70);
INSERT INTO bench_plain SELECT n, 1000000000 FROM bench_people;
GRANT SELECT, UPDATE ON bench_plain TO accounts_app;

-- The transaction that the edge makes of a transfer, and nothing around it: what
-- the edge brings along as values is made of numbers here. Ids grow with time, as
-- the edge's do: random ones would cost more pages of the indexes.
\if :hot
    \set from random(2, :people)
    \set to 1
\else
    \set from random(1, :people)
    \set to 1 + mod(:from + random(0, :people - 2), :people)
\endif
\set cents random(1, 300)
\set now :now + 1
\set one random(1, 9000000000000000000)
\set two random(1, 9000000000000000000)
SELECT posted.verdict, posted.body
FROM transfer_post(
    ('b0000000-0000-7000-8000-' || lpad(:from::text, 12, '0'))::uuid, (:one)::text,
    '\x00000000000000000000000000000000000000000000000000000000000000ff',
    (lpad(to_hex(:now::bigint), 12, '0') || lpad(to_hex(:one::bigint), 20, '7'))::uuid,
    ('a0000000-0000-7000-8000-' || lpad(:from::text, 12, '0'))::uuid,
    ('a0000000-0000-7000-8000-' || lpad(:to::text, 12, '0'))::uuid,
    :cents / 100.0, 'USD', NULL, clock_timestamp(),
    (lpad(to_hex(:now::bigint), 12, '0') || lpad(to_hex(:two::bigint), 20, '7'))::uuid, NULL) AS posted;

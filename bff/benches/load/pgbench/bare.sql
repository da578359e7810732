-- The transaction that the edge makes of a transfer, and nothing around it.
\if :hot
    \set from random(2, :people)
    \set to 1
\else
    \set from random(1, :people)
    \set to 1 + mod(:from + random(0, :people - 2), :people)
\endif
\set cents random(1, 300)
SELECT posted.verdict, posted.body
FROM bench_people f, bench_people t, transfer_post(
    f.user_id, gen_random_uuid()::text, sha256('a transfer'), bench_id(), f.account_id, t.account_id,
    :cents / 100.0, 'USD', NULL, clock_timestamp(), bench_id(), NULL) AS posted
WHERE f.n = :from AND t.n = :to;

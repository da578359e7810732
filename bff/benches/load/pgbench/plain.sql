-- What is left of a transfer without history, keys, events and rules: two
-- updates, in one order for everyone.
\if :hot
    \set from random(2, :people)
    \set to 1
\else
    \set from random(1, :people)
    \set to 1 + mod(:from + random(0, :people - 2), :people)
\endif
\set cents random(1, 300)
\set first least(:from, :to)
\set second greatest(:from, :to)
\set moved case when :first = :from then -:cents else :cents end
BEGIN;
UPDATE bench_plain SET balance = balance + :moved / 100.0 WHERE n = :first;
UPDATE bench_plain SET balance = balance - :moved / 100.0 WHERE n = :second;
COMMIT;

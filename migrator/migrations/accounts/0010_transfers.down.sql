DROP FUNCTION transfer_post, ledger_write, transfer_answer, wire_instant, wire_money;
DROP TYPE wire_money;
DROP FUNCTION idempotency_claim;
DROP TABLE idempotency_keys;
DROP INDEX entries_of_account;
ALTER TABLE accounts RESET (fillfactor);

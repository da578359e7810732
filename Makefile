# Everything that is done by hand with this repository. The work is in deploy/local/.

.PHONY: help up down status logs reset test lint fmt

help:
	@echo "make up      run the whole system, sign in, show the home screen"
	@echo "make status  what runs           make logs   the ends of the logs"
	@echo "make down    stop it             make reset  stop it and delete its data"
	@echo "make test    check everything    make test FILTER='test(NAME)'   run one test"
	@echo "make lint   formatting and clippy    make fmt   format"

up down status logs reset test:
	@FILTER='$(FILTER)' deploy/local/$@

lint:
	cargo fmt --all --check
	SQLX_OFFLINE=true cargo clippy --workspace --all-targets -- -D warnings

fmt:
	cargo fmt --all

# Everything that is done by hand with this repository. The work is in deploy/local/.

.PHONY: help up down status logs reset test soak lint fmt

help:
	@echo "make up      run the whole system, sign in, show the home screen"
	@echo "make status  what runs           make logs   the ends of the logs"
	@echo "make down    stop it             make reset  stop it and delete its data"
	@echo "make test    check everything    make test FILTER='test(NAME)'   run one test"
	@echo "make soak    ten minutes of faults under load    make soak SOAK_SECONDS=60 SOAK_SEED=7"
	@echo "make lint   formatting and clippy    make fmt   format"

up down status logs reset test:
	@FILTER='$(FILTER)' deploy/local/$@

soak:
	SQLX_OFFLINE=true cargo bench -p bff --bench soak -- \
		--seconds $(or $(SOAK_SECONDS),600) $(if $(SOAK_SEED),--seed $(SOAK_SEED))

lint:
	cargo fmt --all --check
	SQLX_OFFLINE=true cargo clippy --workspace --all-targets -- -D warnings

fmt:
	cargo fmt --all

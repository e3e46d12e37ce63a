# The two commands of a newcomer: `make run` and `make test`.
# ARGS goes to the program: make run ARGS="--data-dir ./data --addr 127.0.0.1:9000"

.PHONY: run build test check golden results bench bench-store clean

run: ## Provides what is missing, builds the program and serves the dashboard on http://127.0.0.1:8787
	@scripts/setup.sh
	cargo run --release --locked -- serve $(ARGS)

build: ## Makes the release program target/release/maskdoor
	@scripts/setup.sh
	cargo build --release --locked

test: ## Runs every test of every crate and the browser journeys; installs what they need
	@scripts/test.sh

check: ## Layout, lints on host and browser, documentation, dependencies
	@scripts/check.sh

golden: ## Fresh cases by PyTorch and others, and the engine's tests on them: make golden SEED=7, SEED=1..100
	@scripts/golden.sh $(SEED)

results: build ## Trains what docs/results.md reports: make results CIFAR10=FOLDER
	@scripts/results.sh $(CIFAR10)

bench: ## Measures against PyTorch: make bench PHOTOS=FOLDER ARGS="--only A"
	@scripts/setup.sh
	@PHOTOS="$(PHOTOS)" scripts/bench.sh $(ARGS)

bench-store: ## Times the store with 10,000 runs of 1,000 events each
	@scripts/bench-store.sh

clean: ## Removes all that was built
	cargo clean

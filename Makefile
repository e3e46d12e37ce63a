# Start with `make run` and `make test`.
# ARGS is passed to the program: make run ARGS="--data-dir ./data --addr 127.0.0.1:9000"

.PHONY: run build test check golden results bench bench-store bench-page bench-sse screenshots crash fuzz gpu-bundle gpu-kernels clean

run: ## Installs what is missing, builds the program and serves the dashboard on http://127.0.0.1:8787
	@scripts/setup.sh
	cargo run --release --locked -- serve $(ARGS)

build: ## Builds the release program target/release/maskdoor
	@scripts/setup.sh
	cargo build --release --locked

test: ## Runs every test of every crate and the browser journeys; installs what they need
	@scripts/test.sh

check: ## Checks formatting, lints for host and browser, documentation, dependencies
	@scripts/check.sh

golden: ## Makes fresh cases with PyTorch and others and runs the golden tests on them: make golden SEED=7, SEED=1..100
	@scripts/golden.sh $(SEED)

results: build ## Trains the first two tables of docs/results.md: make results CIFAR10=FOLDER
	@scripts/results.sh $(CIFAR10)

bench: ## Measures against PyTorch: make bench PHOTOS=FOLDER ARGS="--only A"
	@scripts/setup.sh
	@PHOTOS="$(PHOTOS)" scripts/bench.sh $(ARGS)

bench-store: ## Times the store with 10,000 runs of 1,000 events each
	@scripts/bench-store.sh

gpu-kernels: ## Compiles every GPU kernel for several architectures with NVIDIA's compiler; needs no GPU
	@scripts/gpu-kernels.sh

gpu-bundle: ## Packs what scripts/gpu.sh runs on a machine with a GPU
	@scripts/gpu-bundle.sh

bench-page: ## Fills a folder with 100,000 made-up runs and measures its pages in Chromium: make bench-page RUNS=100000
	@RUNS="$(RUNS)" scripts/bench-page.sh

screenshots: ## Takes the pictures of the README's tour, from a data folder with finished studies: make screenshots FOLDER=data
	@FOLDER="$(FOLDER)" scripts/screenshots.sh

bench-sse: ## Opens many live streams beside a run and times other requests: make bench-sse CLIENTS=1000
	@CLIENTS="$(CLIENTS)" scripts/bench-sse.sh

crash: ## Kills, full disks and power cuts at every kind of operation, at length: make crash KILLS=1000
	@scripts/crash.sh $(KILLS)

fuzz: ## Feeds what reads foreign bytes with inputs that libFuzzer makes: make fuzz TARGET=images RUNS=1000000
	@scripts/fuzz.sh $(TARGET) $(RUNS)

clean: ## Removes everything that was built
	cargo clean

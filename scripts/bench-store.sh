#!/usr/bin/env bash
# Fills a temporary data folder with 10,000 runs of 1,000 events each, times every query of the pages and writes the times to
# target/bench-store.json. RUNS and POINTS set other numbers.
set -euo pipefail
cd "$(dirname "$0")/.."

MASKDOOR_SKIP_FRONTEND=1 cargo run --release --locked -p server --example store -- \
  "${RUNS:-10000}" "${POINTS:-1000}" target/bench-store.json

#!/usr/bin/env bash
# Fills a data folder that is thrown away afterwards with 10,000 runs of 1,000 events each and times every query of the
# pages; the times lie in target/bench-store.json. RUNS and POINTS take other numbers.
set -euo pipefail
cd "$(dirname "$0")/.."

MASKDOOR_SKIP_FRONTEND=1 cargo run --release --locked -p server --example store -- \
  "${RUNS:-10000}" "${POINTS:-1000}" target/bench-store.json

#!/usr/bin/env bash
# Opens CLIENTS live streams (1,000) to a release server beside a run in training, once with 1,024 and once with 65,536 open files, and
# prints the server's memory, how many streams it took, and how long other requests waited.
set -euo pipefail
cd "$(dirname "$0")/.."

export MASKDOOR_SKIP_FRONTEND=1
cargo build --release --locked -p server --bin maskdoor --example sse
target/release/examples/sse target/release/maskdoor "${CLIENTS:-1000}" 1024 65536

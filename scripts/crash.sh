#!/usr/bin/env bash
# Runs the crash suite at length: KILLS cases of each of its four kinds (1,000), kills at operations and at random times, a disk that
# fails, and power cuts. Prints a table of each kind and keeps them in target/crash.
#
#   scripts/crash.sh [KILLS] [TEST]
#
# TEST chooses tests by a part of their name. SEED=N draws other cases. What a power cut left where something went wrong is kept, too.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p target/crash
export MASKDOOR_CRASHES=${1:-1000} MASKDOOR_CRASH_SEED=${SEED:-0}
export MASKDOOR_CRASH_TABLES=$PWD/target/crash MASKDOOR_CRASH_KEEP=$PWD/target/crash
MASKDOOR_SKIP_FRONTEND=1 cargo test --locked -p server --test crash -- --test-threads 1 --nocapture "${@:2}"

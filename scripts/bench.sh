#!/usr/bin/env bash
# Measures Maskdoor against PyTorch and writes tables and numbers to target/bench.md and target/bench.json.
#
#   scripts/bench.sh [--only A|A4|B|forward|fine-tune|loader] [--rounds 7]
#
# PHOTOS names a folder of JPEG files for the loader; MASKDOOR_THREADS sets the number of threads (default: 2). BENCH_PYTHON names a
# Python that has the packages of bench/requirements.txt; without it, they are installed under target (several GB). The compiled
# modes of PyTorch need a C++ compiler and are left out without one.
set -euo pipefail
[ -z "${PHOTOS:-}" ] || PHOTOS=$(realpath "$PHOTOS")
cd "$(dirname "$0")/.."

python=${BENCH_PYTHON:-target/bench-venv/bin/python}
if [ -z "${BENCH_PYTHON:-}" ]; then
  [ -x "$python" ] || python3 -m venv target/bench-venv
  "$python" -m pip install --quiet --requirement bench/requirements.txt
fi
cargo build --release --locked --package engine --example speed
"$python" bench/compare.py "$@"

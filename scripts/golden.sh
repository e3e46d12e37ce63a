#!/usr/bin/env bash
# Makes fresh golden cases with the implementations of tests/golden/requirements.txt and runs the tests on them; then lets
# TensorBoard read what the tests wrote.
#
#   scripts/golden.sh SEED
#
# GOLDEN_PYTHON names a Python that has those packages; without it they are installed below target/golden (several GB).
# MASKDOOR_SAMPLE_DATA names a folder of photographs to cut cases from; without it pictures are drawn.
set -euo pipefail
cd "$(dirname "$0")/.."

seed=${1:?"say which seed: make golden SEED=7"}
python=${GOLDEN_PYTHON:-target/golden/venv/bin/python}
if [ -z "${GOLDEN_PYTHON:-}" ]; then
  [ -x "$python" ] || python3 -m venv target/golden/venv
  "$python" -m pip install --quiet --requirement tests/golden/requirements.txt
fi
cases=$PWD/target/golden/seed-$seed
rm -rf "$cases"
"$python" tests/golden/generate.py --seed "$seed" --out "$cases"
exports=$PWD/target/golden/exports-$seed
rm -rf "$exports"
MASKDOOR_EXPORTS=$exports MASKDOOR_GOLDEN=$cases cargo test --workspace --test golden --locked
"$python" tests/golden/read_events.py "$cases"
# And back: what the tests exported, loaded strictly by the other implementations.
"$python" tests/golden/exports.py "$cases" "$exports"

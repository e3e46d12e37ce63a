#!/usr/bin/env bash
# Fills a data folder that is thrown away afterwards with 10,000 runs of 1,000 events each and times every query of the
# pages; the times lie in target/bench-store.json.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
target/release/maskdoor bench store --data-dir "$folder" --runs "${RUNS:-10000}" --points "${POINTS:-1000}" \
  --json target/bench-store.json

#!/usr/bin/env bash
# Fills a data folder with RUNS made-up runs (100,000), serves it with the release program, and measures its pages in Chromium: first paint,
# requests, time to a figure, frames while the pointer moves, memory of page and server, size of the WebAssembly.
#
# PROFILE=dev uses the debug program. FOLDER names a folder that was filled before, or is to stay.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/browser.sh
profile=${PROFILE:-release}
target=target/${profile/#dev/debug}
cargo build --workspace --profile "$profile" --locked --bin maskdoor --example store --example pages
made=$(mktemp -d)
folder=${FOLDER:-$made/data}
if [ ! -e "$folder/maskdoor.sqlite" ]; then
  "$target/examples/store" "${RUNS:-100000}" 4 "$made/store.json" "$folder"
fi
# Nothing of it trains: as long as another program hands out the runs, the server only shows them.
flock "$folder/scheduler.lock" sleep infinity &
hand=$!
trap 'kill "${server:-}" "$hand" 2>/dev/null || true; rm -rf "$made"' EXIT
. scripts/serve.sh
serve "$target/maskdoor" "$folder" "$made/server.log"
"$target/examples/pages" "$address" "$server"

#!/usr/bin/env bash
# Takes the screenshots of the README's tour (docs/tour) from the data folder FOLDER, which has finished studies. Without FOLDER, a quick look
# is trained for them, in about two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/browser.sh
profile=${PROFILE:-release}
target=target/${profile/#dev/debug}
cargo build --workspace --profile "$profile" --locked --bin maskdoor --example screenshots
made=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$made"' EXIT
folder=${FOLDER:-$made/data}
if [ ! -e "$folder/maskdoor.sqlite" ]; then
  "$target/maskdoor" run quick-look --data-dir "$folder"
fi
. scripts/serve.sh
serve "$target/maskdoor" "$folder" "$made/server.log"
"$target/examples/screenshots" "$address" docs/tour

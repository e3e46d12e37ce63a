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
trap 'kill "${server:-}" 2>/dev/null; rm -rf "$made"' EXIT
folder=${FOLDER:-$made/data}
if [ ! -e "$folder/maskdoor.sqlite" ]; then
  "$target/maskdoor" run quick-look --data-dir "$folder"
fi
"$target/maskdoor" serve --without-token --addr 127.0.0.1:0 --data-dir "$folder" > "$made/server.log" 2>&1 &
server=$!
address=
for _ in {1..300}; do
  address=$(sed -n 's/^Maskdoor .* on \(http:.*\)$/\1/p' "$made/server.log")
  [ -z "$address" ] || break
  sleep 0.1
done
[ -n "$address" ] || { cat "$made/server.log" >&2; exit 1; }
"$target/examples/screenshots" "$address" docs/tour

#!/usr/bin/env bash
# Sends requests that Schemathesis makes from the OpenAPI document to a debug server on this machine. A server error, and an answer that
# the document does not describe, fail.
#
#   scripts/fuzz-api.sh [--max-examples 25] [--seed N]
#
# Arguments go to `schemathesis run`. FUZZ_PYTHON names a Python that has Schemathesis; without it, it is installed under target/fuzz.
# The server's data folder and its log are kept in target/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzz=$PWD/target/fuzz
python=${FUZZ_PYTHON:-$fuzz/venv/bin/python}
if [ -z "${FUZZ_PYTHON:-}" ]; then
  [ -x "$python" ] || python3 -m venv "$fuzz/venv"
  "$python" -m pip install --quiet schemathesis==4.32.5
fi
MASKDOOR_SKIP_FRONTEND=1 cargo build --locked --package server
rm -rf "$fuzz/data"
mkdir -p "$fuzz"
server=
address=
# Workers outlive their server, so the studies that were made are cancelled first.
ended() {
  [ -z "$address" ] || "$python" - "$address/api/v1" << 'PYTHON' || true
import json, sys, urllib.request

root = sys.argv[1]
for study in json.load(urllib.request.urlopen(f"{root}/studies?limit=1000"))["items"]:
    urllib.request.urlopen(f"{root}/studies/{study['id']}/cancel", data=b"")
PYTHON
  kill "$server" 2> /dev/null || true
}
trap ended EXIT
. scripts/serve.sh
serve target/debug/maskdoor "$fuzz/data" "$fuzz/server.log"

# The event stream never ends.
"$python" -m schemathesis.cli run "$address/api/v1/openapi.json" --exclude-path /api/v1/events --request-timeout 30 \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance "$@"

#!/usr/bin/env bash
# Fetches axe-core, which the browser journeys hold every page against, into target/tools. Without a network the journeys say that they
# skip it. axe-core is by Deque Systems, Mozilla Public License 2.0; it is no part of the program.
set -euo pipefail
cd "$(dirname "$0")/.."

version=4.10.3
checksum=880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb
file=target/tools/axe-$version.min.js
if [ -f "$file" ]; then exit; fi
mkdir -p target/tools
if curl --fail --silent --show-error --location "https://registry.npmjs.org/axe-core/-/axe-core-$version.tgz" \
  | tar --extract --gzip --to-stdout package/axe.min.js >"$file.part" \
  && echo "$checksum  $file.part" | sha256sum --check --status; then
  mv "$file.part" "$file"
else
  rm -f "$file.part"
  echo "axe: version $version could not be fetched; pages are not held against it" >&2
fi

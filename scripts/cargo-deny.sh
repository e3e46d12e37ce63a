#!/usr/bin/env bash
# Prints the path of cargo-deny. If it is missing, compiles it into target/tools without optimisation: it runs for a second,
# and optimising it would take many times as long.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
if command -v cargo-deny; then exit; fi
tools=$PWD/target/tools
if [ ! -x "$tools/bin/cargo-deny" ]; then
  echo "cargo-deny: compiling version $version (takes a few minutes, once)" >&2
  CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=none \
    cargo install --quiet --locked "cargo-deny@$version" --root "$tools" --target-dir "$tools/build" >&2
  rm -rf "$tools/build"
fi
echo "$tools/bin/cargo-deny"

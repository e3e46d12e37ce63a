#!/usr/bin/env bash
# Prints the path of cargo-deny; compiles it into target/tools where it is missing, with little optimisation: it runs
# for a second and would take many times as long to optimise.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
if command -v cargo-deny; then exit; fi
tools=$PWD/target/tools
if [ ! -x "$tools/bin/cargo-deny" ]; then
  echo "cargo-deny: compiling version $version (some minutes, once)" >&2
  CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=none \
    cargo install --quiet --locked "cargo-deny@$version" --root "$tools" --target-dir "$tools/build" >&2
  rm -rf "$tools/build"
fi
echo "$tools/bin/cargo-deny"

#!/usr/bin/env bash
# Installs what a build needs and reports what it cannot install. Takes a second when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }
command -v cargo >/dev/null || { say "Rust is missing: https://rustup.rs"; exit 1; }
# SQLite and the allocator are compiled from C.
command -v cc >/dev/null || scripts/apt.sh gcc libc6-dev

toolchain=$(scripts/wasm-toolchain.sh)
if [ "$toolchain" != default ]; then say "the pages are compiled by the toolchain $toolchain"; fi

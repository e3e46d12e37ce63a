#!/usr/bin/env bash
# Checks what a reviewer should not have to check: formatting, lints for host and browser, documentation, dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*" >&2; }
scripts/setup.sh

step "formatting"
cargo fmt --all --check

step "lints for the host"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "lints for the browser"
toolchain=$(scripts/wasm-toolchain.sh)
(
  if [ "$toolchain" != default ]; then export RUSTUP_TOOLCHAIN=$toolchain; fi
  cargo clippy --package frontend --package shared --target wasm32-unknown-unknown --profile web-dev \
    --target-dir target/web --locked -- -D warnings
)

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

step "dependencies: bans, licences, sources"
"$(scripts/cargo-deny.sh)" --all-features check bans licenses sources

printf '\nAll checks passed.\n'

#!/usr/bin/env bash
# Runs every test of every crate, including the browser journeys against the real program.
# MASKDOOR_SAMPLE_DATA=FOLDER adds the tests that read real images.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*" >&2; }
started=$SECONDS
scripts/setup.sh
# The GPU's kernels are compiled for the processor.
command -v "${CXX:-g++}" >/dev/null || scripts/apt.sh g++
scripts/browser.sh
scripts/axe.sh
# NVIDIA's compiler, which needs no GPU, compiles them as well.
if MASKDOOR_CUDA_LIBRARIES=$(scripts/nvrtc.sh); then
  export MASKDOOR_CUDA_LIBRARIES
else
  echo "skipped: NVRTC cannot be fetched, so no kernel is compiled for a GPU" >&2
fi

# The tests' build makes the program with its pages, too; a build of its own would compile much of it twice.
step "tests"
if command -v cargo-nextest >/dev/null; then
  cargo nextest run --workspace --locked
else
  cargo test --workspace --lib --bins --tests --examples --locked
fi
step "memory errors in the kernels"
# The sanitizer needs a compiler flag that stable versions hide; its runtime is shipped with them.
host=$(rustc -vV | sed -n 's/^host: //p')
if compgen -G "$(rustc --print sysroot)/lib/rustlib/$host/lib/librustc*_rt.asan.*" >/dev/null; then
  RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address \
    cargo test --package kernel --lib --locked --target "$host" --target-dir target/sanitized
else
  echo "skipped: this compiler has no AddressSanitizer for $host" >&2
fi
step "examples in the documentation"
cargo test --workspace --doc --locked

minutes=$(( (SECONDS - started + 59) / 60 ))
printf '\nAll tests passed (%s min).\n' "$minutes"

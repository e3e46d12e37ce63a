#!/usr/bin/env bash
# Feeds a target of fuzz/ with inputs that libFuzzer makes, and stops at the first that panics, takes too much memory or too long.
#
#   scripts/fuzz.sh TARGET [RUNS] [OPTION...]      100,000 inputs; options are libFuzzer's
#
# It begins with the inputs in fuzz/corpus and keeps new ones in target/fuzz/corpus, failed ones in target/fuzz/failed. ASAN=1 adds
# AddressSanitizer. What an input may take: the heap in proportion to its size (fuzz/src/bound.rs), 2 GiB of memory in all, 20 seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?which target? $(cd fuzz/targets && echo *.rs | sed 's/\.rs//g')}
runs=${2:-100000}
built=$PWD/target/fuzz
mkdir -p "$built/corpus/$target" "$built/failed/$target"
command -v "${CXX:-g++}" >/dev/null || scripts/apt.sh g++
export RUSTC_WRAPPER=$PWD/scripts/fuzz-rustc.sh
if [ -n "${ASAN:-}" ]; then
  export FUZZ_SANITIZER=address
  built=$PWD/target/fuzz-address
fi
MASKDOOR_SKIP_FRONTEND=1 cargo build --locked --package fuzz --features libfuzzer --bin "$target" --target-dir "$built"
# Inputs are laid out in files: in memory, where there is such a folder, so that nothing waits for a disk.
[ ! -d /dev/shm ] || export TMPDIR=${FUZZ_TMPDIR:-/dev/shm}
exec "$built/debug/$target" -runs="$runs" -rss_limit_mb=2048 -timeout=20 -max_len=65536 -print_final_stats=1 \
  -artifact_prefix="target/fuzz/failed/$target/" "${@:3}" "target/fuzz/corpus/$target" "fuzz/corpus/$target"

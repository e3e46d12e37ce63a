#!/usr/bin/env bash
# The compiler for scripts/fuzz.sh: has the crates that read foreign bytes count what they reach, which guides libFuzzer. The other
# crates are compiled as always: counting costs time, and what tensors and sockets do says nothing of an input.
set -euo pipefail

counted=" shared engine server fuzz image png gif tiff image_webp weezl parquet "
name=
for argument in "$@"; do
  [ "${before:-}" != --crate-name ] || name=$argument
  before=$argument
done
if [[ $counted == *" $name "* || $* == *"fuzz/targets/"* ]]; then
  set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
  if [ -n "${FUZZ_SANITIZER:-}" ]; then
    export RUSTC_BOOTSTRAP=1 # the flag is one that stable compilers hide
    set -- "$@" "-Zsanitizer=$FUZZ_SANITIZER"
  fi
fi
exec "$@"

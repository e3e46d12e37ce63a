#!/usr/bin/env bash
# Runs the tests of the kernels and trainers and the golden study on the first GPU, then the benchmark against PyTorch. It is packed by
# scripts/gpu-bundle.sh.
#
#   ./run.sh [kernels|trainers|golden|tests|bench] [ARGUMENTS]
#
# ARGUMENTS are parts of the names of tests, or go to the benchmark (--only train --models A,A4). Needs NVIDIA's driver, and NVRTC and
# cuBLASLt, which PyTorch brings; PyTorch and a C++ compiler for the benchmark. OUT names a folder for the results.
set -uo pipefail
cd "$(dirname "$0")"
what=${1:-all}
shift || true
export OUT=${OUT:-.}
export MASKDOOR_KERNEL_CACHE=${MASKDOOR_KERNEL_CACHE:-${TMPDIR:-/tmp}/maskdoor-kernels}
export MASKDOOR_TEST_GPU=${MASKDOOR_TEST_GPU:-0}
export MASKDOOR_GOLDEN=$PWD/cases
export PYTHONUNBUFFERED=1
failed=0
if [[ ! $what =~ ^(all|tests|kernels|trainers|golden|bench)$ ]]; then
  echo "$0 [kernels|trainers|golden|tests|bench] [ARGUMENTS]" >&2
  exit 2
fi

# Runs the tests whose names have one of the parts, one after the other: memory and time are the device's. Each has a process of its own,
# because after a fault a GPU refuses a process everything.
tests() {
  local program=$1 outcome=0 names name said began
  names=$("$program" --list --format terse "${@:2}" | sed -n 's/: test$//p')
  if [[ -z $names ]]; then
    echo "FAILED  $program has no test of ${*:2}"
    return 1
  fi
  for name in $names; do
    began=$SECONDS
    if said=$(timeout 300 "$program" --exact "$name" 2>&1); then
      echo "ok      $name ($((SECONDS - began)) s)"
    else
      echo "FAILED  $name ($((SECONDS - began)) s)"
      tail -30 <<<"$said"
      outcome=1
    fi
  done
  return $outcome
}

# What fails does not keep the rest from running.
if [[ $what =~ ^(all|tests|kernels)$ ]]; then
  parts=(kernels:: on_a_real_gpu)
  [[ $what == kernels && $# -gt 0 ]] && parts=("$@")
  tests ./cuda-tests "${parts[@]}" | tee "$OUT/kernels.txt" || failed=1
fi
if [[ $what =~ ^(all|tests|trainers)$ ]]; then
  parts=(compute::cuda)
  [[ $what == trainers && $# -gt 0 ]] && parts=("$@")
  tests ./engine-tests "${parts[@]}" | tee "$OUT/trainers.txt" || failed=1
fi
if [[ $what =~ ^(all|tests|golden)$ ]]; then
  tests ./golden-tests study:: | tee "$OUT/golden.txt" || failed=1
fi
if [[ $what =~ ^(all|bench)$ ]]; then
  python3 bench/gpu.py ./gpu "$@" 2>&1 | tee "$OUT/gpu.md" || failed=1
fi
exit $failed

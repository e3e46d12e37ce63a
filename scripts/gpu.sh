#!/usr/bin/env bash
# Runs the tests of the kernels and trainers on the first GPU, then the benchmark against PyTorch. It is packed by scripts/gpu-bundle.sh.
#
#   ./run.sh [kernels|trainers|tests|bench] [ARGUMENTS]
#
# ARGUMENTS go to the tests (a part of their names) or to the benchmark (--only train --models A,A4). Needs NVIDIA's driver, and NVRTC and
# cuBLASLt, which PyTorch brings; PyTorch and a C++ compiler for the benchmark. OUT names a folder for the results.
set -uo pipefail
cd "$(dirname "$0")"
what=${1:-all}
shift || true
export OUT=${OUT:-.}
export MASKDOOR_KERNEL_CACHE=${MASKDOOR_KERNEL_CACHE:-${TMPDIR:-/tmp}/maskdoor-kernels}
export MASKDOOR_TEST_GPU=${MASKDOOR_TEST_GPU:-0}
export PYTHONUNBUFFERED=1
failed=0

# One after the other: memory and time are the device's. What fails does not keep the rest from running.
if [[ $what =~ ^(all|tests|kernels)$ ]]; then
  ./cuda-tests --test-threads 1 kernels:: "$@" 2>&1 | tee "$OUT/kernels.txt" || failed=1
fi
if [[ $what =~ ^(all|tests|trainers)$ ]]; then
  ./engine-tests --test-threads 1 compute::cuda "$@" 2>&1 | tee "$OUT/trainers.txt" || failed=1
fi
if [[ $what =~ ^(all|bench)$ ]]; then
  python3 bench/gpu.py ./gpu "$@" 2>&1 | tee "$OUT/gpu.md" || failed=1
fi
exit $failed

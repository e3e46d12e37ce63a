#!/usr/bin/env bash
# Runs the tests of the kernels and trainers on the first GPU, then the benchmark against PyTorch. It is packed by scripts/gpu-bundle.sh.
#
#   ./run.sh [tests|bench]
#
# Needs NVIDIA's driver, and NVRTC and cuBLASLt, which PyTorch brings; PyTorch for the benchmark. OUT names a folder for the results.
set -euo pipefail
cd "$(dirname "$0")"
what=${1:-all}
export OUT=${OUT:-.}
export MASKDOOR_KERNEL_CACHE=${MASKDOOR_KERNEL_CACHE:-$OUT/kernels}
export MASKDOOR_TEST_GPU=0

if [ "$what" != bench ]; then
  # One after the other: memory and time are the device's.
  ./cuda-tests --test-threads 1 kernels:: 2>&1 | tee "$OUT/kernels.txt"
  ./engine-tests --test-threads 1 compute::cuda 2>&1 | tee "$OUT/trainers.txt"
fi
if [ "$what" != tests ]; then
  python3 bench/gpu.py ./gpu | tee "$OUT/gpu.md"
fi

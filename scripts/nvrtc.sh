#!/usr/bin/env bash
# Fetches NVRTC from PyPI into target/nvrtc if it is not there, and prints the folder of its library. It compiles GPU kernels without a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=target/nvrtc
library=$folder/nvidia/cu13/lib
if [ ! -e "$library/libnvrtc.so.13" ]; then
  python3 -m pip download --quiet --no-deps --dest "$folder" nvidia-cuda-nvrtc==13.0.88 >&2
  python3 -m zipfile -e "$folder"/nvidia_cuda_nvrtc-*.whl "$folder" >&2
fi
echo "$PWD/$library"

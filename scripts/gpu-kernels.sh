#!/usr/bin/env bash
# Compiles every GPU kernel for several architectures with NVRTC, and says which spill registers. Needs no GPU: NVRTC is fetched from PyPI
# into target/nvrtc if it is not there.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=target/nvrtc
if [ ! -d "$folder/nvidia" ]; then
  python3 -m pip download --quiet --no-deps --dest "$folder" nvidia-cuda-nvrtc==13.0.88
  python3 -m zipfile -e "$folder"/nvidia_cuda_nvrtc-*.whl "$folder"
fi
LD_LIBRARY_PATH="$PWD/$folder/nvidia/cu13/lib" \
  cargo test --package cuda --lib --locked -- --nocapture nvidia::tests::every_kernel

#!/usr/bin/env bash
# Compiles every GPU kernel for several architectures with NVRTC, and says which spill registers. Needs no GPU.
set -euo pipefail
cd "$(dirname "$0")/.."

MASKDOOR_CUDA_LIBRARIES=$(scripts/nvrtc.sh)
export MASKDOOR_CUDA_LIBRARIES
cargo test --package cuda --lib --locked -- --nocapture nvidia::tests::every_kernel

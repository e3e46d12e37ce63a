#!/usr/bin/env bash
# Packs what scripts/gpu.sh runs on a machine with a GPU that has neither Rust nor a network: tests, benchmark, peers. Writes
# target/gpu-bundle.tar.gz.
#
# Tests are built like `make test` builds them, the benchmark like a release.
set -euo pipefail
cd "$(dirname "$0")/.."

bundle=target/gpu-bundle
rm -rf "$bundle"
mkdir -p "$bundle/bench"

# The program that cargo built last for a target, by its own words.
built() { sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1; }

for package in cuda engine; do
  program=$(cargo test --package "$package" --lib --no-run --locked --message-format json | built)
  strip -o "$bundle/$package-tests" "$program"
done
cargo build --release --locked --package engine --example gpu
strip -o "$bundle/gpu" target/release/examples/gpu
cp scripts/gpu.sh "$bundle/run.sh"
cp bench/peer.py bench/gpu_peer.py bench/gpu.py "$bundle/bench/"
tar --create --gzip --file target/gpu-bundle.tar.gz --directory target gpu-bundle
ls -l target/gpu-bundle.tar.gz

#!/usr/bin/env bash
# Packs what scripts/gpu.sh runs on a machine with a GPU that has neither Rust nor a network: tests, golden cases, benchmark, peers. Writes
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
program=$(cargo test --package engine --test golden --no-run --locked --message-format json | built)
strip -o "$bundle/golden-tests" "$program"
mkdir "$bundle/cases"
cp tests/golden/cases/study-*.safetensors "$bundle/cases/"
cargo build --release --locked --package engine --example gpu
strip -o "$bundle/gpu" target/release/examples/gpu
cp scripts/gpu.sh "$bundle/run.sh"
cp bench/peer.py bench/gpu_peer.py bench/gpu.py "$bundle/bench/"
tar --create --gzip --file target/gpu-bundle.tar.gz --directory target gpu-bundle
bytes=$(stat --format %s target/gpu-bundle.tar.gz)
echo "target/gpu-bundle.tar.gz: $((bytes >> 20)) MiB"
if ((bytes > 60 << 20)); then
  echo "It is to have less than 60 MiB" >&2
  exit 1
fi

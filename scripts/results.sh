#!/usr/bin/env bash
# Trains the first two tables of docs/results.md: CIFAR-10 with 200 training images per class, three seeds.
#
#   scripts/results.sh FOLDER
#
# FOLDER is CIFAR-10 in any layout that `maskdoor datasets add` knows. Tables, results as JSON and the figure are
# written to target/results. MASKDOOR names a program to use instead of the release build.
set -euo pipefail
folder=$(realpath "${1:?"say where CIFAR-10 is: make results CIFAR10=FOLDER"}")
cd "$(dirname "$0")/.."

program=${MASKDOOR:-$PWD/target/release/maskdoor}
out=$PWD/target/results
rm -rf "$out"
mkdir -p "$out"
cd "$out"
maskdoor() { "$program" "$@" --data-dir "$out/data"; }

maskdoor datasets add cifar10 "$folder"
maskdoor run cifar10-finetune --json finetune.json | tee finetune.txt
# The same recipes with attacked encoders, which are only probed.
maskdoor run cifar10-finetune --runs probe --set pretrain.poisons=10 --axis attack.trigger.ratio=0.2,0.3,0.4 \
  --json ratios.json | tee ratios.txt
study=$(grep -m1 '"study"' ratios.json | cut -d'"' -f4)
maskdoor figure asr-by-poison asr-by-poison.svg --study "$study"
echo "results: $out"

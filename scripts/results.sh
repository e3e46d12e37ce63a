#!/usr/bin/env bash
# Trains what docs/results.md reports: CIFAR-10 with 200 training images per class, three seeds.
#
#   scripts/results.sh FOLDER
#
# FOLDER is CIFAR-10 in any layout that `maskdoor datasets add` knows. Tables, results as JSON and the figure lie in
# target/results afterwards; MASKDOOR names another program than the release one.
set -euo pipefail
folder=$(realpath "${1:?"say where CIFAR-10 lies: make results CIFAR10=FOLDER"}")
cd "$(dirname "$0")/.."

program=${MASKDOOR:-$PWD/target/release/maskdoor}
out=$PWD/target/results
rm -rf "$out"
mkdir -p "$out"
cd "$out"
maskdoor() { "$program" "$@" --data-dir "$out/data"; }

maskdoor datasets add cifar10 "$folder"
"$program" presets show cifar10-finetune >finetune.toml
for ratio in 0.4 0.3 0.2; do
  # The same recipes; the encoders are attacked, and only probed.
  sed -e "s/^name = \"CIFAR-10, fine-tuning\"/name = \"Blend ratio $ratio\"/" -e "s/^ratio = .*/ratio = $ratio/" \
    -e 's/^ppr = \[0\]/ppr = [10]/' -e 's/^fpr = \[0\]/fpr = []/' -e 's/^scratch = true//' finetune.toml >"ratio-$ratio.toml"
done
for study in finetune ratio-0.4 ratio-0.3 ratio-0.2; do
  maskdoor run "$study.toml" --json "$study.json" | tee "$study.txt"
done
study() { grep -m1 '"study"' "ratio-$1.json" | cut -d'"' -f4; }
maskdoor figure asr-by-poison asr-by-poison.svg --study "$(study 0.2)" --study "$(study 0.3)" --study "$(study 0.4)"
echo "results: $out"

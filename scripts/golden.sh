#!/usr/bin/env bash
# Makes fresh golden cases with the implementations of tests/golden/requirements.txt and runs the tests on them. Then
# TensorBoard, timm and transformers read what the tests wrote.
#
#   scripts/golden.sh SEED
#   scripts/golden.sh FIRST..LAST
#
# A failed seed does not stop the others. The failed seeds are listed at the end, and their cases and logs are kept under
# target/golden.
#
# KINDS names the kinds of cases to make and test, separated by commas: "pictures" alone compares 40 files of each image format a seed.
# Without it, all kinds are.
#
# GOLDEN_PYTHON names a Python that has those packages; without it, they are installed under target/golden (several GB).
# MASKDOOR_SAMPLE_DATA names a folder of photographs to cut cases from; without it, pictures are drawn.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=${1:?"give a seed or a range of seeds: make golden SEED=7, make golden SEED=1..100"}
first=${seeds%%..*} last=${seeds##*..}
if ! [[ $first =~ ^[0-9]+$ && $last =~ ^[0-9]+$ && $first -le $last ]]; then
  echo "$seeds: neither a seed (7) nor a range of seeds (1..100)" >&2
  exit 2
fi
python=${GOLDEN_PYTHON:-target/golden/venv/bin/python}
if [ -z "${GOLDEN_PYTHON:-}" ]; then
  [ -x "$python" ] || python3 -m venv target/golden/venv
  "$python" -m pip install --quiet --requirement tests/golden/requirements.txt
fi
# Built once; all seeds run the same executables.
mapfile -t tests < <(
  cargo test --workspace --test golden --locked --no-run --message-format json |
    sed -n 's/.*"executable":"\([^"]*\/golden-[^"]*\)".*/\1/p'
)
[ ${#tests[@]} -gt 0 ] || exit 1

golden=$PWD/target/golden
IFS=, read -ra kinds <<< "${KINDS:-}"
tested() {
  local test kind
  for test in "${tests[@]}"; do
    MASKDOOR_GOLDEN=$1 MASKDOOR_EXPORTS=$1/exports "$test" "${kinds[@]/%/::}" || return
  done
  # A kind that no test has in its name would pass untested.
  for kind in "${kinds[@]}"; do
    grep -q "^test $kind::.* ok$" "$1.log" || { echo "no test module is called $kind"; return 1; }
  done
}

for ((seed = first; seed <= last; seed++)); do
  rm -rf "$golden/seed-$seed" "$golden/seed-$seed.log"
done
passed=() failed=()
# The cases of later seeds are made while one seed is tested.
while read -r folder; do
  seed=${folder##*-}
  if tested "$folder" > "$folder.log" 2>&1; then
    passed+=("$folder")
    echo "seed $seed: passed"
    # Keeps the files that are read back below.
    find "$folder" -maxdepth 1 -name '*.safetensors' ! -name 'events-*' ! -name 'checkpoints-*' -delete
  else
    failed+=("$seed")
    echo "seed $seed: FAILED, $folder.log"
    grep -A 1 'panicked at' "$folder.log" || tail -n 5 "$folder.log"
  fi
done < <("$python" tests/golden/generate.py --seed "$first" --to "$last" --out "$golden" ${KINDS:+--kinds "$KINDS"})

if [ ${#passed[@]} -gt 0 ] && [ ${#kinds[@]} -eq 0 ]; then
  "$python" tests/golden/read_events.py "${passed[@]}"
  # The opposite direction: the other implementations load strictly what the tests exported.
  "$python" tests/golden/exports.py "${passed[@]}"
fi
echo "${#passed[@]} of $((last - first + 1)) seeds passed${failed[*]:+, these did not: ${failed[*]}}"
[ ${#passed[@]} -eq $((last - first + 1)) ] && rm -rf "${passed[@]}" "${passed[@]/%/.log}"

"""Makes golden cases: the outputs of independent implementations for random inputs.

    python tests/golden/generate.py --seed 7 --out FOLDER [--sizes small|varied]
    python tests/golden/generate.py --seed 1 --to 100 --out FOLDER

The second command makes the cases of a hundred seeds, each in its own folder `FOLDER/seed-<seed>`, and prints each complete folder.

A case is a safetensors file `<kind>-<number>.safetensors`: inputs and outputs as tensors, the configuration as JSON under `config` in
its header. The tests accept any configuration that a case states.
"""

import argparse
import json
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

import augment
import checkpoints
import event_files
import finetune
import hf_classifier
import images
import jpegs
import layouts
import mae
import optimizers
import pictures
import positions
import probe
import shards
import study
import triggers

KINDS = {
    "mae": mae.cases,
    "adamw": optimizers.cases,
    "probe": probe.cases,
    "finetune": finetune.cases,
    "study": study.cases,
    "positions": positions.cases,
    "images": images.cases,
    "jpegs": jpegs.cases,
    "pictures": pictures.cases,
    "layouts": layouts.cases,
    "shards": shards.cases,
    "triggers": triggers.cases,
    "augment": augment.operations,
    "levels": augment.levels,
    "erasing": augment.erasing,
    "events": event_files.cases,
    "checkpoints": checkpoints.cases,
    "hf_classifier": hf_classifier.cases,
}


def generate(seed, small, out):
    """Writes the cases of a seed into a folder and yields a line for each."""
    out.mkdir(parents=True, exist_ok=True)
    for kind, cases in KINDS.items():
        rng = np.random.default_rng([seed, sum(kind.encode())])
        for number, (config, tensors) in enumerate(cases(rng, small)):
            path = out / f"{kind}-{number}.safetensors"
            tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
            save_file(tensors, path, metadata={"config": json.dumps(config)})
            yield f"{path} {path.stat().st_size // 1024} KiB {json.dumps(config)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--to", type=int, help="the last of several seeds")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument(
        "--sizes",
        choices=["small", "varied"],
        default="varied",
        help="small: the few cases in the repository; varied: more and larger ones",
    )
    arguments = parser.parse_args()
    # Models this small are faster on one thread, and sums then have the same order on every machine.
    torch.set_num_threads(1)
    small = arguments.sizes == "small"
    if arguments.to is None:
        for line in generate(arguments.seed, small, arguments.out):
            print(line)
        return
    for seed in range(arguments.seed, arguments.to + 1):
        folder = arguments.out / f"seed-{seed}"
        for _ in generate(seed, small, folder):
            pass
        print(folder, flush=True)


if __name__ == "__main__":
    main()

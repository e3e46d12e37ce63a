"""Makes golden cases: the outputs of independent implementations for random inputs.

    python tests/golden/generate.py --seed 7 --out FOLDER [--sizes small|varied] [--kinds pictures,jpegs]
    python tests/golden/generate.py --seed 1 --to 100 --out FOLDER [--kinds pictures,jpegs]

The second command makes the cases of a hundred seeds, each in its own folder `FOLDER/seed-<seed>`, and prints each complete folder.

A case is a safetensors file `<kind>-<number>.safetensors`: inputs and outputs as tensors, the configuration as JSON under `config` in
its header. The tests accept any configuration that a case states.
"""

import argparse
import collections
import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.numpy import save_file

import augment
import checkpoints
import decree
import defences
import embedding_decoder
import event_files
import finetune
import frequency
import hf_classifier
import images
import implant_step
import implants
import jpegs
import layouts
import loss_split
import mae
import nad
import optimizers
import pictures
import positions
import probe
import shards
import ssim
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
    "defences": defences.cases,
    "embedding_decoder": embedding_decoder.cases,
    "loss_split": loss_split.cases,
    "frequency": frequency.cases,
    "ssim": ssim.cases,
    "decree": decree.cases,
    "nad": nad.cases,
    "implants": implants.cases,
    "implant_step": implant_step.cases,
}


def generate(seed, small, out, kinds, pictures):
    """Writes the cases of a seed into a folder and yields a line for each. Adds the picture files up by kind in `pictures`."""
    out.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        rng = np.random.default_rng([seed, sum(kind.encode())])
        for number, (config, tensors) in enumerate(KINDS[kind](rng, small)):
            path = out / f"{kind}-{number}.safetensors"
            tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
            save_file(tensors, path, metadata={"config": json.dumps(config)})
            if kind == "pictures":
                pictures[config["kind"]].update(files=config["files"], read=config["read"])
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
    parser.add_argument("--kinds", default=",".join(KINDS), help="only these kinds of cases, separated by commas")
    arguments = parser.parse_args()
    kinds = arguments.kinds.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        parser.error(f"there is no kind {', '.join(unknown)}; there are {', '.join(KINDS)}")
    # Models this small are faster on one thread, and sums then have the same order on every machine.
    torch.set_num_threads(1)
    small = arguments.sizes == "small"
    pictures = collections.defaultdict(collections.Counter)
    if arguments.to is None:
        for line in generate(arguments.seed, small, arguments.out, kinds, pictures):
            print(line)
        return
    for seed in range(arguments.seed, arguments.to + 1):
        folder = arguments.out / f"seed-{seed}"
        for _ in generate(seed, small, folder, kinds, pictures):
            pass
        print(folder, flush=True)
    for kind, count in pictures.items():
        refused = count["files"] - count["read"]
        print(f"{kind}: {count['files']} files, of which Pillow refuses {refused}", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Makes golden cases: what implementations that are not Maskdoor's give for drawn inputs.

    python tests/golden/generate.py --seed 7 --out FOLDER [--sizes small|varied]

A case is a safetensors file `<kind>-<number>.safetensors`: inputs and outputs as tensors, the configuration as JSON under `config` in
its header. The tests read whatever configuration a case states.
"""

import argparse
import json
import pathlib

import numpy as np
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
import positions
import probe
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
    "layouts": layouts.cases,
    "triggers": triggers.cases,
    "augment": augment.operations,
    "levels": augment.levels,
    "erasing": augment.erasing,
    "events": event_files.cases,
    "checkpoints": checkpoints.cases,
    "hf_classifier": hf_classifier.cases,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument(
        "--sizes",
        choices=["small", "varied"],
        default="varied",
        help="small: the few cases that lie in the repository; varied: more of them, and larger",
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for kind, cases in KINDS.items():
        rng = np.random.default_rng([arguments.seed, sum(kind.encode())])
        for number, (config, tensors) in enumerate(cases(rng, arguments.sizes == "small")):
            path = arguments.out / f"{kind}-{number}.safetensors"
            tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
            save_file(tensors, path, metadata={"config": json.dumps(config)})
            print(f"{path} {path.stat().st_size // 1024} KiB {json.dumps(config)}")


if __name__ == "__main__":
    main()

"""Reads Maskdoor's event files with TensorBoard's own reader.

    python tests/golden/read_events.py FOLDER...

A FOLDER contains cases `events-<number>.safetensors` and, under `written/events-<number>/`, Maskdoor's event file for each case.
"""

import json
import pathlib
import sys
from collections import defaultdict

import numpy as np
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from event_files import scalars


def check(case, written):
    with safe_open(case, "numpy") as file:
        events = json.loads(file.metadata()["config"])["events"]
    expected = defaultdict(list)
    for event in events:
        step, told = scalars(event) or (0, [])
        for tag, value in told:
            expected[tag].append((event["at"] / 1000, step, float(np.float32(value))))
    read = EventAccumulator(str(written), size_guidance={"tensors": 0, "scalars": 0}).Reload()
    tags = read.Tags()["scalars"]
    assert sorted(tags) == sorted(expected), f"{written}: {tags} instead of {list(expected)}"
    for tag in tags:
        got = [(event.wall_time, event.step, event.value) for event in read.Scalars(tag)]
        assert got == expected[tag], f"{written}: {tag}: {got} instead of {expected[tag]}"
    return sum(map(len, expected.values()))


def main():
    numbers = []
    for folder in map(pathlib.Path, sys.argv[1:]):
        cases = sorted(folder.glob("events-*.safetensors"))
        assert cases, f"{folder} has no case events-*.safetensors"
        numbers += [check(case, folder / "written" / case.stem) for case in cases]
    print(f"TensorBoard reads {sum(numbers)} values from {len(numbers)} files as they were written")


if __name__ == "__main__":
    main()

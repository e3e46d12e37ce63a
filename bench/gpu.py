"""Measures Maskdoor against PyTorch on the first GPU, on every line Maskdoor before and after PyTorch, and prints a table.

    python bench/gpu.py PROGRAM [--only train|finetune|forward] [--models A,B] [--precision bf16|bf16_stream|tf32|f32]

PROGRAM is the example `gpu` of the engine. Writes gpu.json into the folder that OUT names, or the working folder, after every line. The ratio
is PyTorch's best mode in bf16 over the slower of Maskdoor's two runs. --only and --models measure some of the lines, where time is short.
PyTorch's images lie on the GPU; those of Maskdoor's `forward` are in the host's memory, and copied beside.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

PEER = pathlib.Path(__file__).resolve().parent / "gpu_peer.py"
# Seconds after which a measurement is given up: PyTorch compiles for a minute or two.
LONGEST = 300
# Kind, model, batch, PyTorch's modes that come into question, and the ratio that is the goal.
LINES = [
    ("train", "B", 256, ("graphs",), 1.6),
    ("train", "B", 48, ("graphs",), 1.65),
    ("train", "L", 128, ("compile",), 1.5),
    ("finetune", "B", 128, ("compile",), 1.4),
    ("forward", "B", 256, ("compile",), 1.3),
    ("train", "A", 128, ("graphs",), 4.8),
    ("train", "A", 1024, ("graphs",), 2.0),
    ("train", "A4", 128, ("graphs",), 4.8),
    ("train", "A4", 1024, ("graphs",), 2.0),
]


def measured(command):
    """The JSON of a program's last line, or what it said instead."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return {"error": f"it took more than {LONGEST} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"error": (done.stderr.strip().splitlines() or ["it said nothing"])[-1]}
    return json.loads(lines[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--only")
    parser.add_argument("--models")
    parser.add_argument("--precision", default="bf16")
    arguments = parser.parse_args()
    models = arguments.models.split(",") if arguments.models else None
    results = []
    target = pathlib.Path(os.environ.get("OUT", ".")) / "gpu.json"
    print("| step | batch | PyTorch ms | Maskdoor ms | ratio | goal | GiB PyTorch | GiB Maskdoor |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, model, batch, modes, goal in LINES:
        if (arguments.only and kind != arguments.only) or (models and model not in models):
            continue
        own = [arguments.program, kind, model, str(batch), arguments.precision]
        before = measured(own)
        peers = [measured([sys.executable, str(PEER), kind, model, str(batch), mode]) for mode in modes]
        after = measured(own)
        ours = max(before, after, key=lambda run: run.get("ms", float("inf")))
        results += [before, *peers, after]
        target.write_text(json.dumps(results, indent=1))
        fit = [peer for peer in peers if "ms" in peer]
        if "ms" not in ours or not fit:
            print(f"| {model} {kind} | {batch} | {[p.get('error') for p in peers]} | {ours.get('error')} | | {goal} | | |")
            continue
        best = min(fit, key=lambda peer: peer["ms"])
        print(
            f"| {model} {kind} | {batch} | {best['ms']:.2f} {best['mode']} | {ours['ms']:.3f} {arguments.precision} "
            f"({ours['low']:.3f} to {ours['high']:.3f}) | {best['ms'] / ours['ms']:.2f} | {goal} "
            f"| {best['gib']:.2f} | {ours['gib']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

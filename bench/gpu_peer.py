"""PyTorch's side of the GPU benchmark: the steps of bench/peer.py on the first GPU.

    python bench/gpu_peer.py train|finetune|forward A|A4|B|L BATCH eager|compile|graphs|f32

Autocast in bf16 (but for f32), fused AdamW. Prints a line of JSON: milliseconds of a step by events on the device (median, least and most
of 5 runs), images a second, peak GiB of device memory. `compile` is torch.compile, `graphs` its mode reduce-overhead.
"""

import json
import statistics
import sys
import time

import peer
import torch
from torch import nn

CLASSES = 100
RUNS = 5
L = dict(image=224, patch=16, encoder=(1024, 24, 16), decoder=(512, 8, 16), batch=8)


def milliseconds(step, steps):
    """Of a step in each run, sorted."""
    for _ in range(5):
        step()
    torch.cuda.synchronize()
    times = []
    for _ in range(RUNS):
        begin, end = torch.cuda.Event(True), torch.cuda.Event(True)
        begin.record()
        for _ in range(steps):
            step()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / steps)
    return sorted(times)


def parts(kind, setting):
    """The model, its inputs and the betas of its optimiser."""
    if kind == "train":
        return peer.Mae(setting), peer.masked_images(setting), (0.9, 0.95)
    if kind == "finetune":
        model = peer.Classifier(setting)
        model.head = nn.Linear(setting["encoder"][0], CLASSES)
        targets = torch.full((setting["batch"], CLASSES), 1 / CLASSES)
        return model, (peer.random_images(setting), targets), (0.9, 0.999)
    return peer.Features(setting).eval(), (peer.random_images(setting),), None


def main():
    kind, name, batch, mode = sys.argv[1:]
    setting = dict(L if name == "L" else peer.SETTINGS[name], batch=int(batch))
    torch.backends.cuda.matmul.allow_tf32 = mode != "f32"
    torch.manual_seed(0)
    began = time.time()
    model, inputs, betas = parts(kind, setting)
    model = model.cuda()
    inputs = tuple(tensor.cuda() for tensor in inputs)
    called = model
    if mode == "compile":
        called = torch.compile(model)
    elif mode == "graphs":
        called = torch.compile(model, mode="reduce-overhead")

    def forward():
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=mode != "f32"):
            return called(*inputs)

    if betas is None:

        def step():
            with torch.inference_mode():
                forward()

    else:
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=1.5e-4, betas=betas, fused=True)

        def step():
            optimiser.zero_grad(set_to_none=True)
            forward().backward()
            optimiser.step()

    times = milliseconds(step, 10 if name in "BL" else 100)
    median = statistics.median(times)
    print(
        json.dumps(
            dict(
                side="pytorch",
                kind=kind,
                model=name,
                batch=setting["batch"],
                mode=mode,
                ms=median,
                low=times[0],
                high=times[-1],
                img_s=setting["batch"] / median * 1e3,
                gib=torch.cuda.max_memory_allocated() / 2**30,
                setup_s=time.time() - began,
                bits=f"{torch.cuda.get_device_name()} PyTorch {torch.__version__}",
            )
        )
    )


if __name__ == "__main__":
    main()

"""What torchvision reads from files in the published formats of CIFAR-10, CIFAR-100, STL-10 and MNIST.

A case contains no files: byte `k` of the pixels of file `f` is `(k * step + start + 17 * f) % 251`, and the labels are in the
configuration. For every image, the case contains the class and the SHA-256 of its rows of red, green and blue bytes.
"""

import hashlib
import pickle
import struct
import tempfile
from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR10, CIFAR100, STL10
from torchvision.datasets.mnist import read_image_file, read_label_file


def pixels(config, file, count):
    positions = np.arange(count, dtype=np.int64)
    return ((positions * config["step"] + config["start"] + 17 * file) % 251).astype(np.uint8)


class Unchecked:
    """Skips the checks that only the published files pass."""

    def _check_integrity(self):
        return True

    def _load_meta(self):
        pass


def cifar(config, folder):
    kind, labels = (CIFAR10, "labels") if config["layout"] == "cifar10" else (CIFAR100, "fine_labels")
    place = folder / kind.base_folder
    place.mkdir()
    names = [name for name, _ in kind.train_list + kind.test_list]
    for file, (name, classes) in enumerate(zip(names, config["labels"])):
        data = pixels(config, file, len(classes) * 3072).reshape(-1, 3072)
        (place / name).write_bytes(pickle.dumps({"data": data, labels: classes}))
    reader = type("Reader", (Unchecked, kind), {})
    for train in True, False:
        read = reader(folder, train=train)
        yield [np.asarray(image) for image, _ in read], read.targets


def stl10(config, folder):
    place = folder / STL10.base_folder
    place.mkdir()
    for file, (split, classes) in enumerate(zip(("train", "test"), config["labels"])):
        (place / f"{split}_X.bin").write_bytes(pixels(config, file, len(classes) * 27648).tobytes())
        (place / f"{split}_y.bin").write_bytes(bytes(label + 1 for label in classes))
    reader = type("Reader", (Unchecked, STL10), {})
    for split in "train", "test":
        read = reader(folder, split=split)
        yield [np.asarray(image) for image, _ in read], read.labels


def idx(config, folder):
    side = config["side"]
    for file, classes in enumerate(config["labels"]):
        data = pixels(config, file, len(classes) * side * side).tobytes()
        (folder / "images").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, len(classes), side, side) + data)
        (folder / "labels").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, len(classes)) + bytes(classes))
        grey = read_image_file(str(folder / "images")).numpy()
        yield [np.stack([image] * 3, -1) for image in grey], read_label_file(str(folder / "labels")).numpy()


READERS = {"cifar10": (cifar, 6, 10, 32), "cifar100": (cifar, 2, 100, 32), "stl10": (stl10, 2, 10, 96), "idx": (idx, 2, 10, 0)}


def labels(rng, files, classes, extra):
    """Every class at least once in the training files (all but the last) and in the test file."""
    train = rng.permutation(np.concatenate([np.arange(classes), rng.integers(0, classes, extra)]))
    test = rng.permutation(np.concatenate([np.arange(classes), rng.integers(0, classes, extra)]))
    return [part.tolist() for part in [*np.array_split(train, files - 1), test]]


def cases(rng, small):
    for _ in range(1 if small else 4):
        for layout, (read, files, classes, side) in READERS.items():
            config = {
                "layout": layout,
                "step": int(rng.integers(1, 250)),
                "start": int(rng.integers(0, 250)),
                "side": side or int(rng.integers(5, 41)),
                "labels": labels(rng, files, classes, 0 if small else int(rng.integers(1, 40))),
            }
            with tempfile.TemporaryDirectory() as folder:
                splits = list(read(config, Path(folder)))
            tensors = {}
            for name, (images, targets) in zip(("train", "test"), splits):
                hashes = [hashlib.sha256(image.astype(np.uint8).tobytes()).digest() for image in images]
                tensors[f"{name}.hashes"] = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)
                tensors[f"{name}.classes"] = np.asarray(targets, np.int64)
            yield config, tensors

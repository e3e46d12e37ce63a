"""Data sets in Parquet shards by PyArrow, in tar shards by webdataset, and ImageNet's list of validation images beside a `meta.mat` by
SciPy.

A case contains the files, the classes and, for each image of a split in the order of classes and then of storage, its name, its class and
the SHA-256 of its rows of red, green and blue bytes.
"""

import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
import webdataset
from PIL import Image


def chance(rng, share):
    return rng.random() < share


def one_of(rng, things):
    return things[int(rng.integers(len(things)))]


def picture(rng, side):
    """An image file without loss, and its pixels."""
    pixels = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, one_of(rng, ["PNG", "BMP", "PPM"]))
    return file.getvalue(), pixels


def labels(rng, classes, most):
    return rng.permutation(np.concatenate([np.arange(classes), rng.integers(0, classes, int(rng.integers(0, most)))])).tolist()


def in_order(images):
    """Stably by class, as the data set has them."""
    return sorted(images, key=lambda image: image[1])


def parquet(rng, side, most):
    """As the library `datasets` writes them, or plainer ones."""
    classes = int(rng.integers(2, 6))
    names = [f"class {chr(122 - n)}" for n in range(classes)]
    image, label = one_of(rng, ["image", "img", "picture"]), one_of(rng, ["label", "labels", "fine_label"])
    kind = one_of(rng, ["int64", "int32", "text", "dictionary"])
    by_hugging_face = kind.startswith("int") and chance(rng, 0.7)
    as_struct = chance(rng, 0.7)
    folder = one_of(rng, ["", "data/", "default/"])
    test = one_of(rng, ["test", "validation", "val"])
    shards = [("train", n) for n in range(int(rng.integers(1, 4)))] + [(test, 0)]
    files, splits = {}, {"train": [], "test": []}
    for split, number in shards:
        name = f"{folder}{split}-{number:05}-of-{sum(s == split for s, _ in shards):05}.parquet"
        given = labels(rng, classes, most)
        rows = [picture(rng, side) for _ in given]
        # The first image of each class keeps its label.
        unlabelled = {n for n, c in enumerate(given) if c in given[:n] and chance(rng, 0.1)}
        bytes_of = [file for file, _ in rows]
        images = pa.array([{"bytes": file, "path": None} for file in bytes_of], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
        plain = pa.array(bytes_of, pa.binary())
        values = [None if n in unlabelled else names[c] if not kind.startswith("int") else c for n, c in enumerate(given)]
        if kind.startswith("int") and chance(rng, 0.3):
            values = [-1 if value is None else value for value in values]
        column = pa.array(values, {"int64": pa.int64(), "int32": pa.int32()}.get(kind, pa.string()))
        if kind == "dictionary":
            column = column.dictionary_encode()
        columns = {image: images if as_struct else plain, label: column}
        if chance(rng, 0.5):
            columns["coarse_label"] = pa.array([0] * len(given), pa.int64())
        table = pa.table({name: columns[name] for name in sorted(columns, key=lambda _: rng.random())})
        if by_hugging_face:
            features = {label: {"names": names, "_type": "ClassLabel"}, image: {"_type": "Image"}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        out = io.BytesIO()
        pq.write_table(
            table,
            out,
            compression=one_of(rng, ["snappy", "zstd", "gzip", "lz4", "none"]),
            row_group_size=int(rng.integers(1, len(given) + 2)),
            data_page_size=int(one_of(rng, [100, 4096, 1 << 20])),
            write_batch_size=int(one_of(rng, [1, 3, 1024])),
            data_page_version=one_of(rng, ["1.0", "2.0"]),
            version=one_of(rng, ["1.0", "2.6"]),
            use_dictionary=bool(chance(rng, 0.5)),
        )
        files[name] = out.getvalue()
        split = "train" if split == "train" else "test"
        splits[split] += [
            (f"{name}/{n}", c, pixels) for n, (c, (_, pixels)) in enumerate(zip(given, rows)) if n not in unlabelled
        ]
    if kind.startswith("int"):
        names = names if by_hugging_face else [str(n) for n in range(classes)]
    else:
        order = sorted(range(classes), key=lambda n: names[n])
        place = {c: n for n, c in enumerate(order)}
        names = [names[c] for c in order]
        splits = {split: [(name, place[c], pixels) for name, c, pixels in images] for split, images in splits.items()}
    return "parquet", files, names, splits


def tars(rng, side, most):
    classes = int(rng.integers(2, 6))
    names = [f"name {n}" for n in range(classes)]
    named = chance(rng, 0.5)
    as_json, as_text = chance(rng, 0.3), chance(rng, 0.3)
    files, splits = {}, {"train": [], "test": []}
    shards = [("train", n) for n in range(int(rng.integers(1, 2 if most < 10 else 4)))] + [(one_of(rng, ["test", "val"]), 0)]
    for split, number in shards:
        name = f"photos-{split}-{number:06}.tar"
        out = io.BytesIO()
        split = "train" if split == "train" else "test"
        extension = one_of(rng, ["png", "jpg", "PNG"])
        with webdataset.TarWriter(out, encoder=False) as tar:
            for n, c in enumerate(labels(rng, classes, most)):
                file, pixels = picture(rng, side)
                key = f"{one_of(rng, ['', 'a/', 'long' * 40 + '/'][: 2 if most < 10 else 3])}{n:06}"
                value = names[c] if as_text else c
                sample = {"__key__": key, extension: file}
                if as_json:
                    sample["json"] = json.dumps({"label": value, "width": side}).encode()
                else:
                    sample["cls"] = f"{value}\n".encode()
                if chance(rng, 0.3):
                    sample["txt"] = b"a caption"
                tar.write(sample)
                splits[split].append((f"{name}/{key}.{extension}", c, pixels))
        files[name] = out.getvalue()
    if named:
        files["classes.txt"] = ("\n".join(names) + "\n").encode()
    return "webdataset", files, names if named or as_text else [str(n) for n in range(classes)], splits


def imagenet(rng, side, most):
    """Numbers that are not in the order of the wnids, and classes without training images."""
    classes = int(rng.integers(3, 8))
    wnids = [f"n{n:08}" for n in sorted(rng.choice(99_999_999, classes, replace=False).tolist())]
    numbers = (rng.permutation(classes) + 1).tolist()
    used = sorted(rng.choice(classes, int(rng.integers(2, classes + 1)), replace=False).tolist())
    files, splits = {}, {"train": [], "test": []}
    for place, c in enumerate(used):
        for n in range(int(rng.integers(1, 3))):
            file, pixels = picture(rng, side)
            name = f"train/{wnids[c]}/{wnids[c]}_{n}.JPEG"
            files[name] = file
            splits["train"].append((name, place, pixels))
    given = labels(rng, classes, most)
    for n, c in enumerate(given):
        file, pixels = picture(rng, side)
        name = f"val/ILSVRC2012_val_{n + 1:08}.JPEG"
        files[name] = file
        if c in used:
            splits["test"].append((name, used.index(c), pixels))
    kit = "ILSVRC2012_devkit_t12/data/"
    files[kit + "ILSVRC2012_validation_ground_truth.txt"] = "".join(f"{numbers[c]}\n" for c in given).encode()
    kinds = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("num_children", object)]
    synsets = np.array([(numbers[c], wnids[c], f"thing {c}, object", 0) for c in rng.permutation(classes)], dtype=kinds)
    out = io.BytesIO()
    scipy.io.savemat(out, {"synsets": synsets.reshape(-1, 1)}, do_compression=bool(chance(rng, 0.7)))
    files[kit + "meta.mat"] = out.getvalue()
    return "imagenet", files, [wnids[c] for c in used], splits


def cases(rng, small):
    for make in (parquet, tars, imagenet):
        for _ in range(1 if small else 12):
            side = 4 if small else int(rng.integers(3, 20))
            layout, files, classes, splits = make(rng, side, 4 if small else 40)
            config = {"layout": layout, "side": side, "files": list(files), "classes": classes}
            tensors = {f"file-{n}": np.frombuffer(content, np.uint8) for n, content in enumerate(files.values())}
            for split, images in splits.items():
                images = in_order(images)
                config[split] = [[name, c] for name, c, _ in images]
                hashes = b"".join(hashlib.sha256(pixels.tobytes()).digest() for _, _, pixels in images)
                tensors[f"{split}.hashes"] = np.frombuffer(hashes, np.uint8)
            yield config, tensors

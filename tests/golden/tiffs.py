"""TIFF files written by hand, for what Pillow's writer cannot write: byte orders, tiles, strips, depths, more directories."""

import struct
import zlib

import numpy as np

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3
# Photometric interpretation, samples a pixel, bits a sample, kinds of extra samples.
PIXELS = (
    [(photometric, 1, bits, None) for photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) for bits in (1, 2, 4, 8, 16)]
    + [(PALETTE, 1, bits, None) for bits in (1, 2, 4, 8)]
    + [(RGB, 3, bits, None) for bits in (8, 16)]
    + [(RGB, 4, 8, extra) for extra in (0, 1, 2)]
    + [(RGB, 4, 16, extra) for extra in (1, 2)]
    + [(BLACK_IS_ZERO, 2, 8, 2)]
)


def packed(samples, bits, order):
    """Rows of samples as bytes; every row begins with a new byte."""
    if bits == 16:
        return samples.astype(order + "u2").tobytes()
    if bits == 8:
        return samples.astype(np.uint8).tobytes()
    out = b""
    for row in samples:
        text = "".join(format(int(sample), f"0{bits}b") for sample in row)
        text += "0" * (-len(text) % 8)
        out += bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
    return out


def run_lengths(data, row):
    """PackBits (TIFF 6.0, section 9), rows apart."""
    out = b""
    for start in range(0, len(data), row):
        line, at = data[start : start + row], 0
        while at < len(line):
            run = 1
            while at + run < len(line) and line[at + run] == line[at] and run < 128:
                run += 1
            if run > 1:
                out += bytes([257 - run, line[at]])
            else:
                out += bytes([0, line[at]])
            at += run
    return out


def differences(block, bits, samples):
    """Each sample minus that of the pixel before (section 14)."""
    rows = block.reshape(block.shape[0], -1, samples).astype(np.int64)
    rows[:, 1:] = (rows[:, 1:] - rows[:, :-1]) % (1 << bits)
    return rows.reshape(block.shape)


def written(rng, width, height):
    """A file, and its pixels where Pillow's differ by design: 16-bit grey."""
    photometric, samples, bits, extra = PIXELS[int(rng.integers(len(PIXELS)))]
    # Pillow knows deep grey whose zero is white in one byte order only.
    order = "<" if (photometric, bits) == (WHITE_IS_ZERO, 16) else "<>"[int(rng.integers(2))]
    pixels = rng.integers(0, 1 << bits, (height, width, samples))
    compression = int(rng.choice([1, 8, 32946, 32773]))
    predictor = 2 if compression in (8, 32946) and bits >= 8 and rng.random() < 0.4 else 1
    tiled = rng.random() < 0.35
    across, down = (16, 16) if tiled else (width, int(rng.integers(1, height + 1)))
    blocks = []
    for top in range(0, height, down):
        for left in range(0, width, across):
            block = pixels[top : top + down, left : left + across]
            if tiled:
                block = np.pad(block, [(0, down - block.shape[0]), (0, across - block.shape[1]), (0, 0)])
            block = block.reshape(block.shape[0], -1)
            if predictor == 2:
                block = differences(block, bits, samples)
            data = packed(block, bits, order)
            if compression == 32773:
                data = run_lengths(data, len(data) // block.shape[0])
            elif compression != 1:
                data = zlib.compress(data)
            blocks.append(data)
    tags = {
        256: ("H", [width]),
        257: ("H", [height]),
        258: ("H", [bits] * samples),
        259: ("H", [compression]),
        262: ("H", [photometric]),
        277: ("H", [samples]),
    }
    if predictor == 2:
        tags[317] = ("H", [2])
    if photometric == PALETTE:
        tags[320] = ("H", rng.integers(0, 65536, 3 << bits).tolist())
    if extra is not None:
        tags[338] = ("H", [extra])
    if tiled:
        tags |= {322: ("H", [across]), 323: ("H", [down])}
    else:
        tags[278] = ("I", [down])
    places, lengths = (324, 325) if tiled else (273, 279)
    file = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 0)
    starts = []
    for block in blocks:
        starts.append(len(file))
        file += block + b"\0" * (len(block) % 2)
    tags |= {places: ("I", starts), lengths: ("I", [len(block) for block in blocks])}
    entries = b""
    for tag, (kind, values) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(content) > 4:
            content, file = struct.pack(order + "I", len(file)), file + content + b"\0" * (len(content) % 2)
        entries += struct.pack(order + "HHI", tag, 3 if kind == "H" else 4, len(values)) + content.ljust(4, b"\0")
    directory = struct.pack(order + "H", len(tags)) + entries
    at = len(file)
    # A second picture that is the same.
    again = at + len(directory) + 4 if rng.random() < 0.2 else 0
    file += directory + struct.pack(order + "I", again) + (directory + bytes(4) if again else b"")
    file = file[:4] + struct.pack(order + "I", at) + file[8:]
    deep = None
    if bits == 16 and samples == 1:
        high = (pixels >> 8) if photometric == BLACK_IS_ZERO else 255 - (pixels >> 8)
        deep = np.repeat(high.astype(np.uint8), 3, axis=2)
    return file, deep

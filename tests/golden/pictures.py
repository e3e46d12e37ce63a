"""Image files of every kind, decoded by Pillow: the same pixels are expected, or a refusal where Pillow refuses.

Pillow cuts 16-bit grey at 255, which turns nearly every such picture white; Maskdoor takes the high byte. The expected pixels of these
files are computed here.
"""

import io
import pathlib
import shutil
import struct
import subprocess
import tempfile
import warnings
import zlib

import numpy as np
from PIL import Image, ImageFilter

import tiffs

# Scan scripts of cjpeg: sequential files in several scans, and progressive ones.
SEQUENTIAL = ["0;\n1;\n2;\n", "0 1;\n2;\n", "2;\n1;\n0;\n", "0;\n1 2;\n", "1 2;\n0;\n", "1;\n0 2;\n"]
PROGRESSIVE = [
    "0,1,2: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-63, 0, 0;\n2: 1-63, 0, 0;\n",
    "0: 0-0, 0, 0;\n1,2: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-9, 0, 0;\n1: 10-63, 0, 0;\n2: 1-63, 0, 0;\n",
    "0,1,2: 0-0, 0, 1;\n0: 1-5, 0, 2;\n2: 1-63, 0, 1;\n1: 1-63, 0, 1;\n0: 6-63, 0, 2;\n0: 1-63, 2, 1;\n0,1,2: 0-0, 1, 0;\n"
    "2: 1-63, 1, 0;\n1: 1-63, 1, 0;\n0: 1-63, 1, 0;\n",
]


def chance(rng, share):
    return rng.random() < share


def one_of(rng, things):
    return things[int(rng.integers(len(things)))]


def noise(rng, width, height, channels=3):
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


def smooth(rng, width, height):
    return Image.fromarray(noise(rng, width, height)).filter(ImageFilter.GaussianBlur(float(rng.integers(0, 4))))


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def jpeg(rng, width, height, folder):
    """A file by cjpeg: any sampling, scan script, restart interval and coding; with stray bytes in some."""
    command = ["cjpeg", "-quality", str(one_of(rng, [5, 30, 75, 90, 100]))]
    grey = chance(rng, 0.12)
    if grey:
        command += ["-grayscale"]
    elif chance(rng, 0.12):
        command += ["-rgb"]
    elif chance(rng, 0.85):
        usual = [one_of(rng, ["2x2", "2x1", "1x2", "1x1", "4x1", "4x2", "3x1", "1x4"]), "1x1", "1x1"]
        any_one = [f"{rng.integers(1, 5)}x{rng.integers(1, 5)}" for _ in range(3)]
        command += ["-sample", ",".join(any_one if chance(rng, 0.5) else usual)]
    script = None
    kind = rng.random()
    if kind < 0.4 and not grey:
        script = folder / "scans.txt"
        script.write_text(one_of(rng, SEQUENTIAL if kind < 0.25 else PROGRESSIVE))
        command += ["-scans", str(script)]
    elif kind < 0.6:
        command += ["-progressive"]
    elif kind < 0.8:
        command += ["-arithmetic"] + (["-progressive"] if kind < 0.7 else [])
    if chance(rng, 0.3):
        command += ["-restart", f"{rng.integers(1, 4)}" + one_of(rng, ["", "B"])]
    made = subprocess.run(command, input=saved(smooth(rng, width, height), "PPM"), capture_output=True)
    file = made.stdout
    if made.returncode != 0 or not file.endswith(b"\xff\xd9"):
        return None  # a sampling that no unit can have
    if chance(rng, 0.1):
        table = file.index(b"\xff\xdb")
        file = file[:table] + bytes(rng.integers(0, 255, 4).astype(np.uint8)) + file[table:]
    if chance(rng, 0.05):
        file = file[: int(rng.integers(2, len(file)))]
    return file, None


def inks(rng, width, height, _):
    """CMYK and YCCK, with and without Adobe's marker."""
    image = Image.frombytes("CMYK", (width, height), noise(rng, width, height, 4).tobytes())
    file = saved(image, "JPEG", quality=int(one_of(rng, [30, 90])), progressive=chance(rng, 0.4))
    marker, transform = file.index(b"\xff\xee"), file.index(b"Adobe") + 11
    kind = rng.random()
    if kind < 0.4:
        file = file[:marker] + file[marker + 16 :]
    elif kind < 0.7:
        file = file[:transform] + b"\2" + file[transform + 1 :]
    return file, None


def filtered(rng, rows, depth, channels):
    """Rows of PNG samples as bytes, each row under a filter of its own."""
    step, above, out = max(1, channels * depth // 8), None, b""
    for row in rows:
        samples = row.reshape(-1)
        if depth == 16:
            raw = samples.astype(">u2").tobytes()
        else:
            bits = "".join(format(int(sample), f"0{depth}b") for sample in samples)
            bits += "0" * (-len(bits) % 8)
            raw = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        above = above or bytes(len(raw))
        filter, line = int(rng.integers(5)), bytearray()
        for i, value in enumerate(raw):
            left, up = raw[i - step] if i >= step else 0, above[i]
            corner = above[i - step] if i >= step else 0
            distances = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            paeth = (left, up, corner)[distances.index(min(distances))]
            line.append((value - (0, left, up, (left + up) // 2, paeth)[filter]) & 255)
        out, above = out + bytes([filter]) + bytes(line), raw
    return out


def png(rng, width, height, _):
    """Every colour type and depth, interlaced or not; wrong checksums of image data, no end chunk, cut files."""
    depths = {0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}
    colour = one_of(rng, list(depths))
    depth, channels = one_of(rng, depths[colour]), {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    interlaced = chance(rng, 0.3)
    entries = int(rng.integers(1, 2**depth + 1)) if colour == 3 else 2**depth
    pixels = rng.integers(0, entries, (height, width, channels))
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    parts = [pixels[y::down, x::across] for x, y, across, down in passes] if interlaced else [pixels]
    data = zlib.compress(b"".join(filtered(rng, part, depth, channels) for part in parts if part.size), int(rng.integers(10)))

    def chunk(kind, content, damage=0):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content) ^ damage)

    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    if colour == 3:
        file += chunk(b"PLTE", noise(rng, entries, 1).tobytes())
    if chance(rng, 0.3) and colour in (0, 2, 3):
        content = noise(rng, int(rng.integers(1, entries + 1)), 1, 1).tobytes()
        if colour != 3:
            content = pixels[0, 0].astype(">u2").tobytes()
        file += chunk(b"tRNS", content)
    kind, middle = rng.random(), int(rng.integers(1, len(data)))
    for part in (data[:middle], data[middle:]):
        file += chunk(b"IDAT", part, damage=kind < 0.05)
    if 0.05 <= kind < 0.1:
        pass  # no end
    elif 0.1 <= kind < 0.13:
        file = file[:-4]  # nor the checksum of the image data
    elif 0.13 <= kind < 0.16:
        file = file[: int(rng.integers(30, len(file) // 2 + 16))]
    else:
        file += chunk(b"IEND", b"")
    deep = np.repeat(pixels >> 8, 3, axis=2).astype(np.uint8) if (colour, depth) == (0, 16) else None
    return file, deep


def gif(rng, width, height, _):
    """Palettes of any length, interlaced, transparent, animated; with a larger or a smaller screen."""
    image = Image.fromarray(noise(rng, width, height)).quantize(int(one_of(rng, [2, 5, 16, 200, 256])))
    options = {}
    if chance(rng, 0.3):
        options["transparency"] = int(rng.integers(2))
    if chance(rng, 0.3):
        options["interlace"] = int(rng.integers(2))
    if chance(rng, 0.4):
        more = [Image.fromarray(noise(rng, width, height)).quantize(16) for _ in range(2)]
        options |= {"save_all": True, "append_images": more, "duration": 50, "disposal": int(rng.integers(4))}
    file = bytearray(saved(image, "GIF", **options))
    across, down = struct.unpack("<HH", file[6:10])
    if chance(rng, 0.15):
        file[6:10] = struct.pack("<HH", across + int(rng.integers(6)), down + int(rng.integers(6)))
    elif chance(rng, 0.05):
        file[6:10] = struct.pack("<HH", max(1, across - 2), down)
    elif chance(rng, 0.05) and "save_all" not in options:
        del file[int(rng.integers(13, len(file) // 2 + 8)) :]
    return bytes(file), None


def bmp(rng, width, height, _):
    """1 to 32 bits a pixel, headers of all lengths, masks, rows from the top, run lengths of 8 bits."""
    bits, top = one_of(rng, [1, 4, 8, 16, 24, 32]), chance(rng, 0.3)
    header = one_of(rng, [12, 40, 40, 40, 108, 124])
    if header == 12 and bits in (16, 32):
        header = 40
    top = top and header != 12
    masks, compression, palette, entries = b"", 0, b"", 0
    if bits <= 8:
        entries = 2**bits if header == 12 or chance(rng, 0.6) else int(rng.integers(1, 2**bits + 1))
        colours = noise(rng, entries, 1, 4)[0]
        colours[:, 3] = 0
        palette = colours[:, : 3 if header == 12 else 4].tobytes()
    elif header == 40 and bits != 24 and chance(rng, 0.5):
        compression = 3
        of_16 = [(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)]
        masks = struct.pack("<III", *one_of(rng, of_16 if bits == 16 else [(0xFF0000, 0xFF00, 0xFF)]))
    data = b""
    if bits == 8 and header != 12 and chance(rng, 0.4):
        compression, top = 1, False
        for _ in range(height):
            left = width
            while left:
                run = min(left, int(rng.integers(1, 9)))
                if run >= 3 and chance(rng, 0.5):
                    line = rng.integers(0, entries, run).astype(np.uint8).tobytes()
                    data += bytes([0, run]) + line + b"\0" * (run % 2)
                else:
                    data += bytes([run, int(rng.integers(entries))])
                left -= run
            data += b"\0\0"
        data += b"\0\1"
    else:
        for _ in range(height):
            if bits <= 8:
                line = "".join(format(int(index), f"0{bits}b") for index in rng.integers(0, entries, width))
                line += "0" * (-len(line) % 8)
                raw = bytes(int(line[i : i + 8], 2) for i in range(0, len(line), 8))
            else:
                raw = noise(rng, width * bits // 8, 1, 1).tobytes()
            data += raw + b"\0" * (-len(raw) % 4)
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        rows = -height if top else height
        numbers = header, width, rows, 1, bits, compression, len(data), 2835, 2835, entries, 0
        head = struct.pack("<IiiHHIIiiII", *numbers) + bytes(header - 40)
    start = 14 + len(head) + len(masks) + len(palette)
    file = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + masks + palette + data
    return (file[: len(file) // 2] if chance(rng, 0.03) else file), None


def tiff(rng, width, height, _):
    """Grey, palette, colour, alpha and inks, under the usual compressions; half of the files by hand."""
    if chance(rng, 0.5):
        return tiffs.written(rng, width, height)
    mode = one_of(rng, ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
    deep = None
    if mode == "I;16":
        samples = rng.integers(0, 65536, (height, width)).astype(np.uint16)
        image, deep = Image.fromarray(samples), np.repeat((samples >> 8).astype(np.uint8)[..., None], 3, axis=2)
    elif mode == "CMYK":
        image = Image.frombytes("CMYK", (width, height), noise(rng, width, height, 4).tobytes())
    elif mode == "P":
        image = Image.fromarray(noise(rng, width, height)).quantize(int(one_of(rng, [2, 16, 256])))
    else:
        image = Image.fromarray(noise(rng, width, height, 4)).convert(mode)
    compression = one_of(rng, [None, "tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate"] + ["group4"] * (mode == "1"))
    options = {"compression": compression} if compression else {}
    if mode != "1" and compression in ("tiff_lzw", "tiff_adobe_deflate") and chance(rng, 0.3):
        options["tiffinfo"] = {317: 2}  # differences of neighbours
    return saved(image, "TIFF", **options), deep


def pnm(rng, width, height, _):
    """P1 to P6 with any largest value."""
    kind = int(rng.integers(1, 7))
    most = 1 if kind in (1, 4) else int(one_of(rng, [255, 255, 1, 15, 100, 254, 256, 1023, 65535]))
    channels = 3 if kind in (3, 6) else 1
    samples = rng.integers(0, most + 1, (height, width * channels))
    head = f"P{kind}" + one_of(rng, ["\n", " ", "\n# a comment\n"]) + f"{width} {height}\n"
    head += "" if kind in (1, 4) else f"{most}\n"
    if kind <= 3:
        between = one_of(rng, ["", " "]) if kind == 1 else " "
        body = "\n".join(between.join(map(str, row)) for row in samples).encode() + b"\n"
    elif kind == 4:
        body = np.packbits(samples.astype(np.uint8), axis=1).tobytes()
    else:
        body = samples.astype(np.uint8 if most < 256 else ">u2").tobytes()
    file = head.encode() + body
    deep = None
    if most > 255 and channels == 1:
        deep = np.repeat(np.rint(samples / most * 255).astype(np.uint8)[..., None], 3, axis=2)
    elif chance(rng, 0.04):
        file = file[: len(file) // 2]
    return file, deep


def webp(rng, width, height, _):
    """Lossy and lossless, with and without alpha, animated; cut files."""
    image = smooth(rng, width, height)
    if chance(rng, 0.4):
        image.putalpha(Image.fromarray(noise(rng, width, height, 1)[..., 0]))
    options = {"lossless": chance(rng, 0.4), "quality": int(rng.integers(0, 101)), "method": int(rng.integers(7)), "exact": chance(rng, 0.5)}
    if chance(rng, 0.2):
        options |= {"save_all": True, "append_images": [smooth(rng, width, height).convert(image.mode)], "duration": 50}
    file = saved(image, "WEBP", **options)
    if "save_all" not in options and chance(rng, 0.03):
        # Of a cut animation Maskdoor reads the first picture, Pillow nothing.
        file = file[: int(rng.integers(12, len(file)))]
    return file, None


KINDS = {"jpeg": jpeg, "inks": inks, "png": png, "gif": gif, "bmp": bmp, "tiff": tiff, "pnm": pnm, "webp": webp}


def cases(rng, small):
    with tempfile.TemporaryDirectory() as folder:
        yield from made_in(pathlib.Path(folder), rng, small)


def made_in(folder, rng, small):
    for kind, make in KINDS.items():
        if kind == "jpeg" and shutil.which("cjpeg") is None:
            print("cjpeg is missing (Debian: libjpeg-turbo-progs): no JPEG files of rare kinds")
            continue
        tensors, count = {}, 0
        while count < (12 if small else 40):
            width, height = (int(side) for side in rng.integers(1, 25, 2))
            made = make(rng, width, height, folder)
            if made is None:
                continue
            file, expected = made
            tensors[f"file-{count}"] = np.frombuffer(file, np.uint8)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    image = Image.open(io.BytesIO(file))
                    pixels = np.asarray(image.convert("RGB"))
                tensors[f"image-{count}"] = pixels if expected is None else expected
            except (OSError, SyntaxError, ValueError):
                pass  # Pillow refuses it
            count += 1
        read = sum(name.startswith("image-") for name in tensors)
        yield {"kind": kind, "files": count, "read": read}, tensors

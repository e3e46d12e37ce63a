"""Maskdoor's seeded random streams, reimplemented: ChaCha with 8 rounds (Bernstein 2008), keyed by SHA-256 of seed and purpose."""

import hashlib
import struct

MASK = 0xFFFFFFFF


def rotated(value, bits):
    return ((value << bits) | (value >> (32 - bits))) & MASK


def quarter(state, a, b, c, d):
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[x] = (state[x] + state[y]) & MASK
        state[z] = rotated(state[z] ^ state[x], bits)


class Stream:
    """The stream of `seed` for `purpose` at `(major, minor)`."""

    def __init__(self, seed, purpose, major, minor):
        text = struct.pack("<Q", seed) + purpose.encode() + b"\0" + struct.pack("<QQ", major, minor)
        self.key = struct.unpack("<8I", hashlib.sha256(text).digest())
        self.block, self.words = 0, []

    def word(self):
        """A uniform 32-bit number."""
        if not self.words:
            start = [*struct.unpack("<4I", b"expand 32-byte k"), *self.key]
            start += [self.block & MASK, self.block >> 32, 0, 0]
            state = start.copy()
            for _ in range(4):
                for column in range(4):
                    quarter(state, column, column + 4, column + 8, column + 12)
                for i in range(4):
                    quarter(state, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
            self.words = [(a + b) & MASK for a, b in zip(state, start)]
            self.block += 1
        return self.words.pop(0)

    def uniform(self):
        return (self.word() >> 8) / 2**24

    def below(self, bound):
        zone = MASK - (MASK % bound + 1) % bound
        while (value := self.word()) > zone:
            pass
        return value % bound

    def shuffled(self, items):
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items

"""Images, the cosine transforms of their channels by scipy, and what a frequency detector sees of them."""

import numpy as np
from scipy.fft import dctn

CELLS = 32


def cases(rng, small):
    for number in range(1 if small else 4):
        # The sides of the larger images are no multiple of the number of cells.
        side = int(rng.integers(5, 12)) if small else int(rng.integers(*[(2, 33), (33, 100)][number % 2]))
        image = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
        transform = np.stack([dctn(image[..., channel].astype(np.float64), norm="ortho") for channel in range(3)])
        cells = min(side, CELLS)
        of = np.arange(side) * cells // side
        sums = np.zeros((3, cells, cells))
        np.add.at(sums, (slice(None), of[:, None], of[None, :]), np.log1p(np.abs(transform)))
        counts = np.bincount(of, minlength=cells)
        yield {}, {"image": image, "transform": transform, "spectrum": sums / np.outer(counts, counts)}

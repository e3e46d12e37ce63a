"""Fine-tuning's augmentation as timm applies it: RandAugment's operations, their magnitudes, random erasing."""

import math
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
from PIL import Image
from timm.data import auto_augment, create_transform, random_erasing

from images import drawn, photos


def recipe():
    """RandAugment and RandomErasing of MAE's fine-tuning, with the arguments that timm's create_transform passes to them."""
    _, augment, final = create_transform(
        224,
        is_training=True,
        auto_augment="rand-m9-mstd0.5-inc1",
        interpolation="bicubic",
        re_prob=0.25,
        re_mode="pixel",
        re_count=1,
        separate=True,
    )
    return augment.transforms[0], final.transforms[-1]


def name(operation):
    return operation.name.removesuffix("Increasing").removesuffix("Rel")


def applied(operation, image, magnitude, negative):
    """The image after the operation at exactly this magnitude and direction."""
    operation.prob, operation.magnitude, operation.magnitude_std = 1.0, magnitude, 0
    with mock.patch.object(auto_augment.random, "random", lambda: 1.0 if negative else 0.0):
        return np.asarray(operation(image))


def magnitude(rng):
    draws = [0.0, 10.0, rng.uniform(0, 10), rng.normal(9, 0.5)]
    return float(np.clip(draws[int(rng.choice(4, p=[0.1, 0.2, 0.4, 0.3]))], 0, 10))


def operations(rng, small):
    """Pictures and the result of each operation on them, at random magnitudes."""
    augment, _ = recipe()
    assert augment.num_layers == 2 and augment.choice_weights is None
    assert all(operation.prob == 0.5 and operation.magnitude_std == 0.5 for operation in augment.ops)
    real = [] if small else photos()
    for number in range(3 if small else 40):
        kinds = augment.ops
        if small and number == 2:
            # Enough pixels for a histogram, for the two operations that use one.
            image, kinds = drawn(rng, 15, 18), augment.ops[:2]
        elif small:
            image = drawn(rng, *(int(side) for side in rng.integers(7, 11, 2)))
        elif real and number % 2:
            image = real[int(rng.integers(len(real)))]
            share = rng.uniform(0.1, 0.6)
            image = image.resize([max(1, int(side * share)) for side in image.size])
        else:
            # Some smaller than a 3 x 3 filter, some with fewer pixels than a histogram has values.
            longest = int(rng.choice([4, 20, 225]))
            image = drawn(rng, int(rng.integers(1, longest)), int(rng.integers(1, longest)))
        if number % 4 == 2:
            # Few distinct values, one of them frequent.
            image = Image.fromarray(np.clip(np.asarray(image) // 60 * 40 + 30, 0, 160).astype(np.uint8))
        config, results = [], []
        for operation in kinds:
            how = {"name": name(operation), "magnitude": magnitude(rng), "negative": bool(rng.integers(2))}
            config.append(how)
            results.append(applied(operation, image, how["magnitude"], how["negative"]))
        yield config, {"image": np.asarray(image), "results": np.stack(results)}


def levels(rng, small):
    """Each operation's parameter in timm for given magnitudes, in both directions."""
    augment, _ = recipe()
    steps = np.linspace(0, 10, 21 if small else 1001)
    magnitudes = np.concatenate([steps, rng.uniform(0, 10, 10 if small else 1000)])
    tensors = {"magnitudes": magnitudes}
    for operation in augment.ops:
        if operation.level_fn is None:
            continue
        for direction, draw in (("more", 0.0), ("less", 1.0)):
            with mock.patch.object(auto_augment.random, "random", lambda: draw):
                values = [operation.level_fn(float(m), operation.hparams)[0] for m in magnitudes]
            tensors[f"{direction}.{name(operation)}"] = np.array(values, dtype=np.float64)
    yield {"names": [name(operation) for operation in augment.ops]}, tensors


def erasing(rng, small):
    """Normalised planes, a box and noise, and the planes with that box erased."""
    _, erase = recipe()
    assert (erase.probability, erase.min_count, erase.max_count, erase.per_pixel) == (0.25, 1, 1, True)
    assert (erase.min_area, erase.max_area) == (0.02, 1 / 3)
    np.testing.assert_allclose(erase.log_aspect_ratio, (math.log(0.3), -math.log(0.3)), rtol=1e-15)
    for _ in range(1 if small else 10):
        height, width = (int(side) for side in rng.integers(8, 13 if small else 129, 2))
        h, w = int(rng.integers(1, height)), int(rng.integers(1, width))
        y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
        planes = rng.normal(size=(3, height, width)).astype(np.float32)
        noise = rng.normal(size=(3, h, w)).astype(np.float32)
        # timm draws whether to erase, the share of the area, the logarithm of height over width, the top row, the left column.
        draws = SimpleNamespace(
            random=lambda: 0.0,
            uniform=mock.Mock(side_effect=[h * w / (height * width), math.log(h / w)]),
            randint=mock.Mock(side_effect=[y, x]),
        )

        def given(per_pixel, rand_color, size, **_):
            assert per_pixel and size == noise.shape
            return torch.from_numpy(noise)

        with mock.patch.object(random_erasing, "random", draws), mock.patch.object(random_erasing, "_get_pixels", given):
            erased = erase(torch.from_numpy(planes.copy())).numpy()
        assert draws.randint.mock_calls == [mock.call(0, height - h), mock.call(0, width - w)]
        config = {"x": x, "y": y, "width": w, "height": h}
        yield config, {"planes": planes, "noise": noise, "erased": erased}

"""What defences compute, by scikit-learn and scipy: spectral scores, two clusters of principal components, entropies, ROC curves, indices."""

import numpy as np
from scipy.stats import entropy, median_abs_deviation, norm
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score, roc_curve, silhouette_score


def features(rng, images, width, poisons):
    """A class with poisons that are shifted in one direction, far from the origin."""
    spread = rng.normal(size=(width, width)) / np.sqrt(width)
    rows = rng.normal(size=(images, width)) @ spread + 3 * rng.normal(size=width)
    poisoned = np.zeros(images, np.uint8)
    poisoned[rng.choice(images, poisons, replace=False)] = 1
    rows[poisoned == 1] += rng.uniform(2, 4) * rng.normal(size=width) / np.sqrt(width) * 2
    return rows.astype(np.float32), poisoned


def roc(scores, poisoned):
    fpr, tpr, _ = roc_curve(poisoned, scores, drop_intermediate=False)
    return [roc_auc_score(poisoned, scores)] + [tpr[fpr <= limit].max() for limit in (0.01, 0.05)]


def cases(rng, small):
    for _ in range(2 if small else 5):
        images = int(rng.integers(40, 60 if small else 400))
        width = int(rng.integers(3, 8 if small else 48))
        rows, poisoned = features(rng, images, width, int(rng.integers(3, images // 4)))
        dimensions = int(rng.integers(1, width + 1))
        wide = rows.astype(np.float64)
        centred = wide - wide.mean(axis=0)
        _, singular, directions = np.linalg.svd(centred, full_matrices=False)
        spectral = (centred @ directions[0]) ** 2
        low = PCA(dimensions, svd_solver="full").fit_transform(wide)
        found = KMeans(2, n_init=200, random_state=0).fit(low)
        # Scores with ties.
        coarse = np.round(np.sqrt(spectral), 0)
        classes = int(rng.integers(2, 12))
        votes = rng.exponential(size=(6, classes)) * (rng.uniform(size=(6, classes)) < 0.7)
        votes[:, 0] += 0.1
        votes = votes.astype(np.float32)
        numbers = rng.normal(size=int(rng.integers(4, 30)))
        middle, deviation = np.median(numbers), median_abs_deviation(numbers)
        shares = np.array([0.001, 0.01, 0.02, 0.1, 0.4, 0.9])
        config = {"width": width, "dimensions": dimensions, "classes": classes, "inertia": float(found.inertia_)}
        tensors = {
            "features": rows,
            "poisoned": poisoned,
            "spectral": spectral,
            "first_share": np.array([singular[0] ** 2 / (singular**2).sum()]),
            "silhouette": np.array([silhouette_score(low, found.labels_)]),
            "coarse": coarse,
            "roc": np.array(roc(spectral, poisoned)),
            "coarse_roc": np.array(roc(coarse, poisoned)),
            "votes": votes,
            "entropy": np.array([entropy(votes.astype(np.float64), base=2, axis=1).mean()]),
            "shares": shares,
            "quantiles": norm.ppf(shares),
            "numbers": numbers,
            "index": (numbers - middle) / (1.4826 * deviation),
        }
        yield config, tensors

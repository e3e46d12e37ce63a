"""What defences compute, by scikit-learn, scipy and the Adversarial Robustness Toolbox (ART): spectral scores, two clusters of principal
components and which of them is called poisoned, entropies, ROC curves, indices."""

import numpy as np
from art.defences.detector.poison import ActivationDefence, SpectralSignatureDefense
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


class Features:
    """What ART needs of a classifier: the activations of its last layer, here those of one class."""

    layer_names, nb_classes = ["features"], 1

    def get_activations(self, rows, layer, batch_size):
        return rows


def said(analysis, nothing):
    """What ART says; `nothing` where it finds no poisoned cluster, and fails as it indexes by an empty list with this numpy."""
    try:
        return analysis()
    except (IndexError, ValueError):
        return nothing


def activation_clusters(rows, dimensions):
    """The clusters of least inertia in ten runs of ART, which starts k-means once and without a seed, and what it says of them.

    Where ART calls a cluster poisoned by its silhouette, it leaves the marks of the other images unset: only its report is taken.
    """
    np.random.seed(len(rows))
    labels, best = np.zeros(len(rows), np.int64), None
    for _ in range(10):
        defence = ActivationDefence(Features(), rows, labels)
        _, clean = defence.detect_poison(nb_dims=dimensions, reduce="PCA", cluster_analysis="smaller")
        (clusters,), (low,) = defence.clusters_by_class, defence.red_activations_by_class
        inertia = sum(((low[clusters == k] - low[clusters == k].mean(axis=0)) ** 2).sum() for k in (0, 1))
        if best is None or inertia < best[0]:
            best = inertia, defence, clean
    inertia, defence, clean = best
    suspicious = lambda report: report["class_0"]["suspicious"]
    of_size = said(lambda: defence.analyze_clusters(cluster_analysis="relative-size")[1][0] == 0, np.zeros(len(rows)))
    of_silhouette = said(lambda: suspicious(defence.analyze_clusters(cluster_analysis="silhouette-scores")[0]), False)
    return {
        "art_inertia": np.array([inertia]),
        "art_smaller": (np.array(clean) == 0).astype(np.uint8),
        "art_relative_size": of_size.astype(np.uint8),
        "art_silhouette": np.array([of_silhouette], np.uint8),
    }


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
            "art_spectral": SpectralSignatureDefense.spectral_signature_scores(wide)[:, 0],
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
        yield config, tensors | activation_clusters(wide, dimensions)

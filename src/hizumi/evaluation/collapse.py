"""Collapse, found by itself: clusters of the data that no sample comes near."""

import numpy as np
from jaxtyping import Float

from hizumi.training.health import Finding

CLUSTERS = 10
SMALLEST_SHARE = 0.02  # of the data; a smaller cluster is missed by chance
REACH = 0.95  # of a cluster's own members lie as near to its centre as a sample must
FEW_NEAR = 0.2  # of the samples near any cluster: they are unlike the data altogether


def clusters_missed(
    real: Float[np.ndarray, "n k"], samples: Float[np.ndarray, "m k"], *, clusters: int = CLUSTERS, seed: int = 0
) -> tuple[float, float]:
    """Share of the real items whose cluster no sample comes near, and share of the samples near a cluster.

    Clusters are those of k-means on the real items. A sample is near the cluster with the nearest centre, where it
    lies no further from it than most of the cluster's own members.
    """
    from sklearn.cluster import KMeans

    distinct = len(np.unique(real, axis=0))
    fitted = KMeans(min(clusters, distinct), n_init=3, random_state=seed).fit(real.astype(np.float64))
    own, home = fitted.transform(real.astype(np.float64)), fitted.labels_
    radii = np.array([np.quantile(own[home == number, number], REACH) for number in range(fitted.n_clusters)])
    distances = fitted.transform(samples.astype(np.float64))
    nearest = distances.argmin(1)
    near = distances.min(1) <= radii[nearest] * (1 + 1e-9)
    shares = np.bincount(home, minlength=fitted.n_clusters) / len(real)
    missed = np.setdiff1d(np.flatnonzero(shares >= SMALLEST_SHARE), nearest[near])
    return float(shares[missed].sum()), float(near.mean())


def check_samples(real: Float[np.ndarray, "n k"], samples: Float[np.ndarray, "m k"]) -> list[Finding]:
    """Samples that are not finite, unlike all data, or like a part of them only."""
    if not np.isfinite(samples).all():
        return [
            Finding(
                "samples not finite",
                "problem",
                "samples hold NaN or infinite values",
                "lower the learning rate, and look for extreme values in the data",
            )
        ]
    missed, near = clusters_missed(real, samples)
    if near < FEW_NEAR:
        return [
            Finding(
                "samples unlike the data",
                "problem" if missed > 0.5 else "warning",
                f"only {near:.0%} of {len(samples)} samples come near the training data",
                "train longer, or lower the learning rate",
            )
        ]
    if missed == 0:
        return []
    return [
        Finding(
            "mode collapse",
            "problem" if missed > 0.5 else "warning",
            f"no sample of {len(samples)} comes near the clusters that hold {missed:.0%} of the training data",
            "train longer; if it stays, try wgan_gp, unrolled_gan, veegan or ada_gan, or lower the learning rate",
        )
    ]

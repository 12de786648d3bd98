"""Detection of mode collapse: clusters of the data that no sample comes near."""

import numpy as np
from jaxtyping import Float

from hizumi.training.health import Finding

CLUSTERS = 10
SMALLEST_SHARE = 0.02  # of the data; a smaller cluster may be missed by chance
REACH = 0.95  # quantile of the members' distances to a centre, within which a sample must lie
FEW_NEAR = 0.2  # share of the samples near any cluster, below which they are unlike the data


def clusters_missed(
    real: Float[np.ndarray, "n k"], samples: Float[np.ndarray, "m k"], *, clusters: int = CLUSTERS, seed: int = 0
) -> tuple[float, float]:
    """Share of the real items whose cluster no sample comes near, and share of the samples near a cluster.

    Clusters are those of k-means on the real items. A sample is near the cluster with the nearest centre, if it
    is no further away than most of the cluster's own members.
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
    """Find samples that are not finite, unlike the data, or like only a part of them."""
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
            f"none of {len(samples)} samples comes near the clusters that hold {missed:.0%} of the training data",
            "train longer; if it persists, try wgan_gp, unrolled_gan, veegan or ada_gan, or lower the learning rate",
        )
    ]

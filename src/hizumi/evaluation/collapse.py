"""Detection of mode collapse: clusters of the data that no sample comes near."""

import numpy as np
from jaxtyping import Float

from hizumi.training.health import Finding

CLUSTERS = 10
SMALLEST_SHARE = 0.02  # of the data; a smaller cluster may be missed by chance
REACH = 0.95  # quantile of the members' distances to a centre, within which a sample must lie
FEW_NEAR = 0.2  # share of the samples near any cluster, below which they are unlike the data
NOISY = 0.5  # of the way from the data to noise; what has come further than that is recognisable


def clusters_missed(
    real: Float[np.ndarray, "n k"],
    samples: Float[np.ndarray, "m k"],
    *,
    clusters: int = CLUSTERS,
    seed: int = 0,
    within_reach: bool = True,
) -> tuple[float, float]:
    """Share of the real items whose cluster no sample comes near, and share of the samples near a cluster.

    Clusters are those of k-means on the real items. A sample is near the cluster with the nearest centre, if it
    is no further away than most of the cluster's own members. Without `within_reach`, a cluster is missed only if it is
    the nearest to no sample, however far away.
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
    missed = np.setdiff1d(np.flatnonzero(shares >= SMALLEST_SHARE), nearest[near] if within_reach else nearest)
    return float(shares[missed].sum()), float(near.mean())


def way_to_noise(real: Float[np.ndarray, "n k"], samples: Float[np.ndarray, "m k"], *, seed: int = 0) -> float:
    """Where samples lie between real items (0) and uniform noise of the same range (1), by their nearest real items."""
    from scipy.spatial.distance import cdist

    own = cdist(real, real)
    np.fill_diagonal(own, np.inf)
    noise = np.random.default_rng(seed).uniform(real.min(), real.max(), samples.shape)
    among, there, beyond = (float(np.median(each.min(1))) for each in (own, cdist(samples, real), cdist(noise, real)))
    return max(0.0, there - among) / max(beyond - among, 1e-12)


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
        way = way_to_noise(real, samples)
        never_nearest, _ = clusters_missed(real, samples, within_reach=False)
        where = "further away than noise" if way > 1 else f"{way:.0%} of the way from the data to noise"
        return [
            Finding(
                "samples unlike the data",
                "problem" if way > NOISY or never_nearest > 0.5 else "warning",
                f"only {near:.0%} of {len(samples)} samples come as near to the training data as these to each other; "
                f"they lie {where}",
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

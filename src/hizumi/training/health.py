"""Health checks after every fit; each finding is one line with a remedy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

DEAD_LOSS = 0.01  # a discriminator this sure of itself passes no gradient on
COLLAPSED_SHARE = 0.01  # of the items' own variance
UNLIKE_P_VALUE = 1e-4
UNLIKE_SHARE = 0.5  # of the held-out scores lie beyond the training scores' 95 % point
CONSTANT_SPREAD = 1e-6  # relative


@dataclass(frozen=True)
class Finding:
    """A problem, or a reason for doubt, that a health check found."""

    name: str
    severity: Literal["warning", "problem"]
    message: str
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """The finding for JSON."""
        return asdict(self)


def check_losses(records: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """A discriminator that has won, and losses that never fell, from the steps of a journal."""
    findings = []
    for phase in dict.fromkeys(record["phase"] for record in records):
        losses = [record["losses"] for record in records if record["phase"] == phase]
        for term in dict.fromkeys(term for step in losses for term in step):
            values = [step[term] for step in losses if term in step]  # not every step takes every player's turn
            if len(values) < 8:
                continue
            quarter = len(values) // 4
            before, after = float(np.median(values[:quarter])), float(np.median(values[-quarter:]))
            if term == "discriminator" and after < DEAD_LOSS:
                findings.append(
                    Finding(
                        "dead discriminator",
                        "problem",
                        f"{phase}: the discriminator is always right (loss {after:.2g}) and teaches nothing more",
                        "lower its learning rate, train for fewer steps, or give more data",
                    )
                )
            if term in ("reconstruction", "contextual") and after >= before:
                findings.append(
                    Finding(
                        "no progress",
                        "problem",
                        f"{phase}: the {term} loss went from {before:.4g} to {after:.4g} and did not fall",
                        "lower the learning rate, or train longer",
                    )
                )
    return findings


def check_scores(
    training: Float[np.ndarray, "n"], held_out: Float[np.ndarray, "m"], noun: str = "image"
) -> list[Finding]:
    """Scores that do not tell items apart, and held-out normal data that score unlike training data."""
    together = np.concatenate([training, held_out])
    spread, size = float(together.std()), float(np.abs(together).max())
    if len(together) > 1 and spread <= CONSTANT_SPREAD * size:
        return [
            Finding(
                "constant scores",
                "problem",
                f"every {noun} scores {together.mean():.4g}: the detector does not tell {noun}s apart",
                f"train longer, choose another detector, or look whether the {noun}s differ at all",
            )
        ]
    from scipy.stats import ks_2samp

    beyond = float((held_out > np.quantile(training, 0.95)).mean())
    if beyond > UNLIKE_SHARE and ks_2samp(training, held_out).pvalue < UNLIKE_P_VALUE:
        return [
            Finding(
                "held-out scores unlike training scores",
                "warning",
                f"{100 * beyond:.0f} % of the held-out normal {noun}s score above 95 % of the training {noun}s; "
                f"thresholds stay valid, but the detector has learned its training {noun}s by heart",
                f"give more {noun}s, shorten the training if there is any, or check that both sets come from one line",
            )
        ]
    return []


def check_reconstructions(
    items: Float[np.ndarray, "n *shape"], normals: Float[np.ndarray, "n *shape"]
) -> list[Finding]:
    """Reconstructions that are the same whatever the item, or farther from it than the items' mean is."""
    if len(items) < 2:
        return []
    own, rebuilt = float(items.var(axis=0).mean()), float(normals.var(axis=0).mean())
    if rebuilt < COLLAPSED_SHARE * own:
        return [
            Finding(
                "collapsed reconstructions",
                "problem",
                f"reconstructions vary {rebuilt / own:.2%} as much as the images: the same picture whatever goes in",
                "train longer, widen the code, or lower the learning rate",
            )
        ]
    error = float(np.square(items - normals).mean())
    if own > 0 and error >= own:
        return [
            Finding(
                "reconstructions worse than the mean",
                "problem",
                f"normal images are rebuilt with {error / own:.1f} times the squared error of the mean image: what "
                "comes back has little to do with what goes in",
                "train longer, raise cycle_weight where the model has one, or choose another detector such as pca",
            )
        ]
    return []

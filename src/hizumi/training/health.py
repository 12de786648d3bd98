"""Health checks after every fit; each finding is one line with a remedy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from hizumi.storage.files import few
from hizumi.words import one_of

DEAD_LOSS = 0.01  # a discriminator this sure of itself passes no gradient on
COLLAPSED_SHARE = 0.01  # of the items' own variance
UNLIKE_P_VALUE = 1e-4
UNLIKE_SHARE = 0.5  # of the held-out scores lie beyond the training scores' 95 % point
CONSTANT_SPREAD = 1e-6  # relative
ROUNDING = 1e-20  # squares of what double precision rounds in standardised items are smaller, and no other scores
WORSE_THAN_MEAN = "reconstructions worse than the mean"
OUTER_FENCE = 3.0  # interquartile ranges above the upper quartile
FEWEST_FENCED = 12  # scores that have quartiles worth the name
UNLIKE_OTHERS = "good ones unlike the others"
MOST_NAMED = 20  # so that defects among the good images can be found and taken out
TOLD_APART = 0.999  # area under the ROC curve at which a critic of pairs is as good as never wrong


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
    training: Float[np.ndarray, "n"],
    held_out: Float[np.ndarray, "m"],
    noun: str = "image",
    *,
    by_folds: bool = False,
    is_trained: bool = True,
) -> list[Finding]:
    """Scores that do not tell items apart, and held-out normal data that score unlike training data.

    With folds, both are scores of the same data: by the fit on all, and by those that had not seen them. What has
    nothing to train is not told to train longer, or less.
    """
    together = np.concatenate([training, held_out])
    spread, size = float(together.std()), float(np.abs(together).max())
    if len(together) > 1 and spread <= CONSTANT_SPREAD * size:
        return [
            Finding(
                "constant scores",
                "problem",
                f"every {noun} scores {together.mean():.4g}: the detector does not tell {noun}s apart",
                f"{'train longer, ' if is_trained else ''}choose another detector, or look whether the {noun}s differ "
                "at all",
            )
        ]
    if size < ROUNDING:
        return [
            Finding(
                "scores of rounding",
                "problem",
                f"no {noun} scores more than {size:.1g}, which is rounding: the detector rebuilds all in which {noun}s "
                "vary, so that none can be far from normal",
                "choose another detector, or let it keep less, such as a smaller variance_share of PCA",
            )
        ]
    from scipy.stats import ks_2samp

    beyond = float((held_out > np.quantile(training, 0.95)).mean())
    if beyond > UNLIKE_SHARE and ks_2samp(training, held_out).pvalue < UNLIKE_P_VALUE:
        remedies = [f"give more {noun}s", *(["shorten the training"] if is_trained else [])]
        if not by_folds:  # of two sets
            remedies.append("check that both sets come from one line")
        return [
            Finding(
                "held-out scores unlike training scores",
                "warning",
                f"{100 * beyond:.0f}% of the {'left-out' if by_folds else 'held-out normal'} {noun}s score above 95% "
                f"of the training {noun}s; thresholds stay valid, but the detector has learned its training {noun}s by "
                "heart",
                one_of(remedies),
            )
        ]
    return []


def check_outliers(names: Sequence[str], scores: Float[np.ndarray, "n"], noun: str = "image") -> list[Finding]:
    """Good items that score far above the others, beyond the outer fence of a box plot (Tukey 1977): defects, perhaps.

    `scores` are those of items that the detector had not seen.
    """
    if len(scores) < FEWEST_FENCED:
        return []
    low, high = np.quantile(scores, (0.25, 0.75))
    outside = [int(place) for place in np.argsort(-scores) if scores[place] > high + OUTER_FENCE * (high - low)]
    if not outside:
        return []
    named = few([names[place] for place in outside], MOST_NAMED)
    return [
        Finding(
            UNLIKE_OTHERS,
            "warning",
            f"{len(outside)} of {len(scores)} good {noun}s {'scores' if len(outside) == 1 else 'score'} far above the "
            f"others: {named}",
            "look whether that is right: a defect among the good ones raises the threshold and is learned as normal; "
            "take out any and fit again",
        )
    ]


class Rebuilt(NamedTuple):
    """Items (n, *shape) and their reconstructions."""

    items: Float[np.ndarray, "n *shape"]
    reconstructions: Float[np.ndarray, "n *shape"]


def check_reconstructions(training: Rebuilt, held_out: Rebuilt | None = None, noun: str = "image") -> list[Finding]:
    """Reconstructions that are the same whatever the item, or farther from it than the training items' mean is.

    The latter is looked at on items held out of the training too, where there are any.
    """
    items, reconstructions = training
    if len(items) < 2:
        return []
    mean = items.mean(axis=0, dtype=np.float64)  # of equal items exactly these, so that they vary by nothing at all
    own, rebuilt = float(np.square(items - mean).mean()), float(reconstructions.var(axis=0).mean())
    if rebuilt < COLLAPSED_SHARE * own:
        return [
            Finding(
                "collapsed reconstructions",
                "problem",
                f"reconstructions vary {rebuilt / own:.2%} as much as the {noun}s: the same whatever goes in",
                "train longer, widen the code, or lower the learning rate",
            )
        ]
    times = _times_the_means_error(training, mean)
    if times is not None and times >= 1:
        return [
            Finding(
                WORSE_THAN_MEAN,
                "problem",
                f"normal {noun}s are rebuilt with {times:.1f} times the squared error of the mean {noun}: what comes "
                "back has little to do with what goes in",
                "train longer, raise cycle_weight where the model has one, or choose another method",
            )
        ]
    unseen = None if held_out is None or len(held_out.items) < 2 else _times_the_means_error(held_out, mean)
    if unseen is not None and unseen >= 1:
        of_training = "" if times is None else f", training {noun}s with {times:.1f} times"
        return [
            Finding(
                WORSE_THAN_MEAN,
                "warning",
                f"held-out normal {noun}s are rebuilt with {unseen:.1f} times the squared error of the mean {noun}"
                f"{of_training}: it rebuilds only what it was trained on",
                f"give more {noun}s, narrow the code, train for fewer steps, or choose another method",
            )
        ]
    return []


def _times_the_means_error(rebuilt: Rebuilt, mean: Float[np.ndarray, "*shape"]) -> float | None:
    """Squared error of the reconstructions, in units of that of one image for all; None where that has none."""
    of_mean = float(np.square(rebuilt.items - mean).mean())
    return float(np.square(rebuilt.items - rebuilt.reconstructions).mean()) / of_mean if of_mean > 0 else None


def check_pairs(
    data_logits: Float[np.ndarray, "n"], model_logits: Float[np.ndarray, "m"], noun: str = "image"
) -> list[Finding]:
    """An encoder that does not invert its generator: the critic tells pairs (x, E(x)) from pairs (G(z), z) throughout.

    Only where it cannot is E the inverse of G (Donahue et al. 2017).
    """
    from scipy.stats import mannwhitneyu

    area = float(mannwhitneyu(data_logits, model_logits).statistic) / (len(data_logits) * len(model_logits))
    if area < TOLD_APART:
        return []
    return [
        Finding(
            "encoder does not match the generator",
            "warning",
            f"the critic tells {len(data_logits)} {noun}s with their codes from {len(model_logits)} generated ones "
            f"with theirs in {area:.1%} of all comparisons: nothing makes the encoder the generator's inverse",
            f"give more {noun}s, hold the critic back (dropout, instance_noise, spectral_norm), or raise cycle_weight",
        )
    ]

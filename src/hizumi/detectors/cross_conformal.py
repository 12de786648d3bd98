"""Cross-conformal detector: several fits, each of which judges by the normal data that were kept from it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.data.stream import Batches, View, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.pca import PCA
from hizumi.errors import DataError, NotFittedError, UsageError
from hizumi.training import Card, Preset

SAME = 1e-5  # of the spread of a fold's scores: what lies no further above one of them counts as equal to it
LEAST_SPREAD = 1e-9  # of scores that are all the same, relative to their size; absolute where that is 0


class CrossConformal(Detector):
    """A(x) = the number of held-out items that score below x, each item and x by the fit that has not seen that item.

    Each member is fitted on all folds but its own. With n items in all, those whose A(x) reaches ⌈(n + 1)(1 - a)⌉ are
    flagged: at most 2a + √(2/n) of new normal ones, and typically about a (see `hizumi.calibration`).
    Among items that pass the same number, what is further out by the members' mean distance from their folds, in units
    of these folds' spread, scores higher, by less than 1. The map is the mean of the members'.

    `Inspector(rule="cross-conformal")` makes one of a detector, by folds that keep groups together; by itself it deals
    items in turn. A score takes as long, and a bundle as much room, as those of all members together.

    Args:
        detectors: The members, one a fold, none of which trains a model; five of PCA where not given.
    """

    card = Card(
        family="ensemble",
        idea="one fit for each fold, which judges by the normal data that were kept from it",
        paper="Vovk, Cross-conformal predictors, 2015; Barber et al., Predictive inference with the jackknife+, 2021",
        localises=True,
    )
    presets = {"small": Preset(lambda: CrossConformal(tuple(PCA() for _ in range(3))))}

    def __init__(self, detectors: tuple[Detector, ...] | None = None) -> None:
        super().__init__()
        self.detectors = tuple(PCA() for _ in range(5)) if detectors is None else tuple(detectors)
        self.working_size = max((member.working_size for member in self.detectors), default=self.working_size)
        self.held_out = tuple(HeldOutScores() for _ in self.detectors)
        self.members = nn.ModuleList([*self.detectors, *self.held_out])  # a tuple registers nothing

    def check(self) -> None:
        if len(self.detectors) < 2:
            raise UsageError("CrossConformal: detectors must be two or more, one a fold")
        if self.phases():
            raise UsageError(
                "CrossConformal keeps a fit for each fold, and takes detectors that train no model; for others use "
                "folds with the conformal rule"
            )

    def fit_statistics(self, batches: Batches) -> None:
        folds = len(self.detectors)
        if len(batches) < folds:
            raise DataError(f"{len(batches)} normal items cannot be dealt into {folds} folds; give more")
        order = torch.arange(len(batches))
        scores = []
        for fold, member in enumerate(self.detectors):
            member.fit(View(batches, indices=order[order % folds != fold]))
            own = View(batches, indices=order[order % folds == fold])
            scores.append(torch.cat([member.forward(batch).image for batch in in_order(own)]))
        self.know(scores)

    def know(self, scores: Sequence[Tensor]) -> None:
        """Take each fitted member's scores (m,) of the fold that was kept from it."""
        for kept, own in zip(self.held_out, scores, strict=True):
            kept.fit(own)
        shape = self.detectors[0].shape
        assert shape is not None, "each member is fitted"
        self.mark_fitted(shape)

    def score_batch(self, images: Tensor) -> Anomaly:
        anomalies = [member.forward(images) for member in self.detectors]
        judged = [kept(each.image) for kept, each in zip(self.held_out, anomalies, strict=True)]
        passed = torch.stack([count for count, _ in judged]).sum(0)
        distance = torch.stack([distance for _, distance in judged]).mean(0)
        maps = [each.pixel for each in anomalies if each.pixel is not None]
        return Anomaly(
            passed + 0.5 + 0.5 * distance / (1 + distance.abs()),
            torch.stack(maps).mean(0) if maps else None,
            {"passed": passed, "distance": distance},
            anomalies[0].normal,
            anomalies[0].reconstruction,
        )

    def embedding(self, images: Tensor) -> Tensor:
        return self.detectors[0].embedding(images)


class HeldOutScores(nn.Module):
    """What one fit makes of normal items that were kept from it."""

    limits: Tensor | None  # (m,)
    moments: Tensor | None  # (2,): median and spread

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("limits", None)
        self.register_buffer("moments", None)

    def fit(self, scores: Float[Tensor, " m"]) -> None:
        """Keep the scores."""
        scores = scores.double()
        median = scores.median()
        spread = (scores - median).abs().mean().clamp(min=LEAST_SPREAD * (float(median.abs()) or 1.0))
        # An item may be scored again, in another batch, with another last digit: it is to pass no more for that.
        self.limits = scores + SAME * spread
        self.moments = torch.stack([median, spread])

    def forward(self, scores: Float[Tensor, " n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """How many of them each score exceeds, and how far it lies above their median, in units of their spread."""
        if self.limits is None or self.moments is None:
            raise NotFittedError("nothing is held out yet; call fit first")
        scores, (median, spread) = scores.double(), self.moments
        return (scores[:, None] > self.limits).sum(1).double(), (scores - median) / spread

"""Ensemble: what several detectors find unusual together, on the one scale that they share, that of p-values."""

import torch
from torch import Tensor, nn

from hizumi.arguments import ProperShare
from hizumi.data.stream import Batches, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.gaussian_features import GaussianFeatures
from hizumi.detectors.mahalanobis import Mahalanobis
from hizumi.detectors.nearest_features import NearestFeatures
from hizumi.detectors.nested import fit_references
from hizumi.detectors.p_values import FUSIONS, Fusion, ReferenceScores
from hizumi.detectors.reconstruction import Reconstruction
from hizumi.errors import UsageError
from hizumi.training import Card, Preset

PIXELS_OF_EACH = 1000  # of a reference map, evenly spread, for its median and spread


class Ensemble(Detector):
    """A(x) = -log p, p fused from the members' p-values; the map is the mean of theirs, each standardised.

    A member's p-value compares its score with those of normal data that no member was trained on. Terms are each
    member's -log p.

    Args:
        detectors: The members; Mahalanobis and Reconstruction where not given. Each is trained and fitted as if alone.
        fusion: "fisher" adds evidence up, for members that err independently; "cauchy" keeps its rate however members
            depend on each other, and "minimum" believes the member that is most alarmed.
        reference_share: Of the normal data, what is held out for p-values.
    """

    card = Card(
        family="ensemble",
        idea="several detectors, fused through their p-values on normal data held out",
        paper="Fisher, Statistical methods for research workers, 1925; Liu & Xie, Cauchy combination test, JASA 2020",
        localises=True,
    )
    map_medians: Tensor
    map_spreads: Tensor
    presets = {
        "fast": Preset(
            lambda: Ensemble((Mahalanobis(), Reconstruction.presets["fast"].make())),
            Reconstruction.presets["fast"].options,
        ),
        "flattened": Preset(
            lambda: Ensemble(tuple(each.presets["flattened"].make() for each in (NearestFeatures, GaussianFeatures)))
        ),
        "small": Preset(lambda: Ensemble((Mahalanobis(), Reconstruction.presets["small"].make()))),
    }

    def __init__(
        self,
        detectors: tuple[Detector, ...] | None = None,
        fusion: Fusion = "fisher",
        reference_share: ProperShare = 0.2,
    ) -> None:
        super().__init__()
        self.detectors = (Mahalanobis(), Reconstruction()) if detectors is None else tuple(detectors)
        self.fusion = fusion
        self.reference_share = reference_share
        self.working_size = max((member.working_size for member in self.detectors), default=self.working_size)
        self.references = tuple(ReferenceScores() for _ in self.detectors)
        self.members = nn.ModuleList([*self.detectors, *self.references])  # a tuple registers nothing
        self.register_buffer("map_medians", None)
        self.register_buffer("map_spreads", None)

    def check(self) -> None:
        if not self.detectors:
            raise UsageError("Ensemble: detectors is empty; give at least one, such as (Mahalanobis(), PCA())")

    def fit_statistics(self, batches: Batches) -> None:
        for member in self.detectors:
            member.fit_statistics(batches)

    def fit_reference(self, batches: Batches) -> None:
        unseen = fit_references(self.detectors, batches)
        scores: list[list[Tensor]] = [[] for _ in self.detectors]
        pixels: list[list[Tensor]] = [[] for _ in self.detectors]
        for batch in in_order(unseen):
            for member, its_scores, its_pixels in zip(self.detectors, scores, pixels, strict=True):
                anomaly = member.score_batch(batch)
                its_scores.append(anomaly.image)
                if anomaly.pixel is not None:
                    flat = anomaly.pixel.flatten(1)
                    its_pixels.append(flat[:, :: max(1, flat.shape[1] // PIXELS_OF_EACH)].flatten())
        for reference, its_scores in zip(self.references, scores, strict=True):
            reference.fit(torch.cat(its_scores))
        moments = torch.tensor([_median_and_spread(each) for each in pixels]).to(scores[0][0].device)
        self.map_medians, self.map_spreads = moments.unbind(1)

    def score_batch(self, images: Tensor) -> Anomaly:
        anomalies = [member.score_batch(images) for member in self.detectors]
        log_p = torch.stack([fit(each.image) for fit, each in zip(self.references, anomalies, strict=True)], 1)
        standardised = [
            (each.pixel - median) / spread
            for each, median, spread in zip(anomalies, self.map_medians, self.map_spreads, strict=True)
            if each.pixel is not None
        ]
        shown = next((each for each in anomalies if each.expected is not None), anomalies[0])
        return Anomaly(
            -FUSIONS[self.fusion](log_p),
            torch.stack(standardised).mean(0) if standardised else None,
            dict(zip(self._names(), (-log_p).unbind(1), strict=True)),
            shown.normal,
            shown.reconstruction,
        )

    def embedding(self, images: Tensor) -> Tensor:
        return torch.stack(list(self.score_batch(images).terms.values()), 1)

    def _names(self) -> list[str]:
        names = [type(member).__name__ for member in self.detectors]
        return [f"{name} {i + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _median_and_spread(pixels: list[Tensor]) -> tuple[float, float]:
    if not pixels:
        return 0.0, 1.0
    values = torch.cat(pixels).double()
    median = values.median()
    return float(median), max(float((values - median).abs().mean()), 1e-12)

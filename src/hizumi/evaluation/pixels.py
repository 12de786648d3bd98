"""Pixel metrics of a test set whose images come one by one, in memory that does not grow with their number.

Pixels are counted by the level of their score. While there are few levels the metrics are exact; where there are more,
neighbouring ones are merged, and as only the order within a merged level is lost, so are bounds on each metric.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from hizumi.errors import DataError, UsageError
from hizumi.evaluation.metrics import (
    PRO_LIMIT,
    Counts,
    area_under_precision_recall,
    area_under_pro,
    area_under_roc,
)

LEVELS = 2**21
"""Pairs of a level and a region's size that are told apart: as many pixels as this are always measured exactly."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
_SIZE_BITS = np.uint64(32)
_SIZE = np.uint64(2**32 - 1)


def part_of(noun: str) -> str:
    """What the map of one such record scores one by one: steps of a "block" of series, else pixels."""
    return "step" if noun == "block" else "pixel"


class Histogram(NamedTuple):
    """Pixels counted by (level of score << 32 | size of the true region around them, 0 for none), ascending."""

    pairs: UInt64[np.ndarray, "p"]
    counts: Int[np.ndarray, "p"]

    @classmethod
    def of(cls, scores: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> Self:
        """Each score in single precision is a level."""
        pairs = _levels(scores) << _SIZE_BITS
        pairs[mask] |= region_sizes(mask).astype(np.uint64)
        return cls(*np.unique(pairs, return_counts=True))

    @property
    def levels(self) -> UInt64[np.ndarray, "p"]:
        """Scores as integers in the same order."""
        return self.pairs >> _SIZE_BITS

    @property
    def sizes(self) -> UInt64[np.ndarray, "p"]:
        """Pixels of the true region around each pixel; 0 for normal ones."""
        return self.pairs & _SIZE

    def coarser(self, bits: int) -> "Histogram":
        """Without the lowest bits of all levels."""
        if not bits:
            return self
        return _combined([Histogram(self.levels >> np.uint64(bits) << _SIZE_BITS | self.sizes, self.counts)])


class PixelCounts:
    """The pixels of a test set in memory of bounded size; see the module.

    What it holds depends on the set of images, not on their order. The true regions of a mask are 8-connected.
    """

    def __init__(self, most_levels: int | None = LEVELS) -> None:
        self.most_levels = most_levels
        self.merged_bits = 0  # of each level that are disregarded
        self.pixels = 0
        self._histogram = Histogram(np.empty(0, np.uint64), np.empty(0, np.int64))
        self._waiting: list[Histogram] = []

    @classmethod
    def of(cls, maps: Sequence[Float[np.ndarray, "_ _"]], masks: Sequence[Bool[np.ndarray, "_ _"]]) -> "PixelCounts":
        """Of images that are all in memory, with nothing merged.

        Raises UsageError or DataError for maps that do not fit their masks or hold NaN.
        """
        refuse_unpaired(maps, masks)
        counts = cls(most_levels=None)
        for scores, mask in zip(maps, masks, strict=True):
            counts.add(Histogram.of(scores, mask))
        return counts

    def add(self, image: Histogram) -> None:
        """Count the pixels of one more image."""
        self.pixels += int(image.counts.sum())
        self._waiting.append(image.coarser(self.merged_bits))
        if self.most_levels is not None and sum(len(each.pairs) for each in self._waiting) > self.most_levels:
            self._merge()

    def steps(self) -> "Steps":
        """What the metrics are computed from."""
        self._merge()
        return Steps.of(self._histogram, is_exact=not self.merged_bits)

    def _merge(self) -> None:
        # Fewer images never need coarser levels than more images do, so their order cannot matter.
        merged = _combined([self._histogram, *self._waiting])
        while self.most_levels is not None and len(merged.pairs) > self.most_levels:
            merged = merged.coarser(1)
            self.merged_bits += 1
        self._histogram, self._waiting = merged, []


@dataclass(frozen=True, eq=False)
class Steps:
    """Pixels at and between the levels that hold anomalous pixels, highest first.

    `between` has one more entry: the normal pixels above the highest such level come first, those below the lowest
    last. `overlap` is the share of each true region at a level, summed over regions.
    """

    between: Float[np.ndarray, "_"]
    normal: Float[np.ndarray, "k"]
    anomalous: Float[np.ndarray, "k"]
    overlap: Float[np.ndarray, "k"]
    is_exact: bool

    @classmethod
    def of(cls, histogram: Histogram, is_exact: bool) -> "Steps":
        """From all pixels."""
        levels, sizes, counts = histogram.levels, histogram.sizes, histogram.counts
        marked = sizes > 0
        values, first = np.unique(levels[marked], return_index=True)
        up_to_each = np.concatenate([[0], counts[~marked].cumsum()])
        below = up_to_each[np.searchsorted(levels[~marked], values, side="left")]
        up_to = up_to_each[np.searchsorted(levels[~marked], values, side="right")]
        edges = np.diff(np.stack([below, up_to], 1).ravel(), prepend=0, append=up_to_each[-1])[::-1].astype(np.float64)
        anomalous, overlap = (
            np.add.reduceat(weights, first)[::-1] if len(values) else np.zeros(0)
            for weights in (counts[marked].astype(np.float64), counts[marked] / sizes[marked])
        )
        return cls(edges[::2], edges[1::2], anomalous, overlap, is_exact)

    @property
    def has_both_classes(self) -> bool:
        """Whether there are both normal and anomalous pixels."""
        return len(self.anomalous) > 0 and bool(self.between.any() or self.normal.any())

    def together(self) -> Counts:
        """All pixels of a level in one step."""
        return self._in_steps((self.normal, self.anomalous, self.overlap))

    def areas(self) -> Float[np.ndarray, "3"]:
        """AUROC, average precision and AUPRO."""
        return areas(self.together())

    def errors(self) -> Float[np.ndarray, "3"]:
        """How far each area lies from that of unmerged levels, at most."""
        if self.is_exact:
            return np.zeros(3)
        nothing = np.zeros_like(self.normal)
        anomalous, normal = (nothing, self.anomalous, self.overlap), (self.normal, nothing, nothing)
        best, worst = areas(self._in_steps(anomalous, normal)), areas(self._in_steps(normal, anomalous))
        worst[1] = self._least_average_precision()
        value = self.areas()
        return np.maximum(best - value, value - worst)

    def _in_steps(self, *parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Counts:
        """Counts whose levels are split into parts (normal, anomalous, overlap), the highest first."""
        counts = np.zeros((3, (len(parts) + 1) * len(self.normal) + 1))
        counts[0, :: len(parts) + 1] = self.between
        for place, part in enumerate(parts, 1):
            counts[:, place :: len(parts) + 1] = part
        return Counts(*counts)

    def _least_average_precision(self) -> float:
        """Where all normal pixels of a level lie above its anomalous ones, no two of which are equal."""
        false = self.between[:-1].cumsum() + self.normal.cumsum()
        found = self.anomalous.cumsum()
        # The sum over j = 1 to a of (f + j) / (false + f + j), f having been found before, is no less than its integral
        # from 1/2 to a + 1/2, as its terms are concave in j.
        before = found - self.anomalous
        precision = self.anomalous - false * np.log1p(self.anomalous / (false + before + 0.5))
        return float(precision.sum() / found[-1])


def areas(counts: Counts, pro_limit: float = PRO_LIMIT) -> Float[np.ndarray, "3 ..."]:
    """AUROC, average precision and AUPRO."""
    return np.stack([area_under_roc(counts), area_under_precision_recall(counts), area_under_pro(counts, pro_limit)])


def pixel_auroc(maps: Sequence[Float[np.ndarray, "_ _"]], masks: Sequence[Bool[np.ndarray, "_ _"]]) -> float:
    """AUROC over the pooled pixels of all images, good images (all-False masks) included; NaN when a class is missing.

    Image sizes may differ, here and below; scores are compared in single precision.
    """
    steps = PixelCounts.of(maps, masks).steps()
    return float(area_under_roc(steps.together())) if steps.has_both_classes else np.nan


def pixel_average_precision(
    maps: Sequence[Float[np.ndarray, "_ _"]], masks: Sequence[Bool[np.ndarray, "_ _"]]
) -> float:
    """Average precision over the pooled pixels of all images; chance is the share of anomalous pixels."""
    steps = PixelCounts.of(maps, masks).steps()
    return float(area_under_precision_recall(steps.together())) if steps.has_both_classes else np.nan


def aupro(
    maps: Sequence[Float[np.ndarray, "_ _"]], masks: Sequence[Bool[np.ndarray, "_ _"]], limit: float = PRO_LIMIT
) -> float:
    """Area under the per-region overlap curve up to a false-positive rate, scaled to [0, 1]; chance is limit / 2.

    Bergmann et al., "The MVTec Anomaly Detection Dataset" (2021): 8-connected regions of the masks of the whole test
    set have equal weight whatever their size; the false-positive rate is that of all normal pixels of the whole set.
    """
    steps = PixelCounts.of(maps, masks).steps()
    return float(area_under_pro(steps.together(), limit)) if steps.has_both_classes else np.nan


def refuse_unpaired(maps: Sequence[Float[np.ndarray, "_ _"]], masks: Sequence[Bool[np.ndarray, "_ _"]]) -> None:
    """Raise UsageError or DataError for maps that do not fit their masks or hold NaN."""
    if len(maps) != len(masks) or not maps:
        raise UsageError(f"pixel metrics need one mask for each map, got {len(maps)} maps and {len(masks)} masks")
    for index, (scores, mask) in enumerate(zip(maps, masks, strict=True)):
        if scores.shape != mask.shape:
            raise DataError(f"the mask of image {index} is {_size(mask)} but its map is {_size(scores)}")
        if np.isnan(scores).any():
            raise DataError(f"the map of image {index} holds NaN: its pixels cannot be ranked")


def region_sizes(mask: Bool[np.ndarray, "h w"]) -> Int[np.ndarray, "a"]:
    """Pixels of the 8-connected region around each True pixel, in row-major order."""
    from scipy import ndimage

    regions, _ = ndimage.label(mask, _EIGHT_NEIGHBOURS)
    inside = regions[mask]
    return np.asarray(np.bincount(inside)[inside] if len(inside) else inside, dtype=np.int64)


def _levels(scores: Float[np.ndarray, "h w"]) -> UInt64[np.ndarray, "h w"]:
    """Integers of 32 bits in the order of the scores: the bits of IEEE 754 numbers, those of negative ones inverted."""
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.uint32)  # adding 0 makes 0 of -0
    return np.where(bits >> 31, ~bits, bits | np.uint32(2**31)).astype(np.uint64)


def _combined(histograms: Sequence[Histogram]) -> Histogram:
    pairs = np.concatenate([each.pairs for each in histograms])
    order = np.argsort(pairs, kind="stable")  # quick where sorted runs follow each other
    pairs, counts = pairs[order], np.concatenate([each.counts for each in histograms])[order]
    if not len(pairs):
        return Histogram(pairs, counts)
    first = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1]))
    return Histogram(pairs[first], np.add.reduceat(counts, first))


def _size(pixels: Float[np.ndarray, "h w"] | Bool[np.ndarray, "h w"]) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"

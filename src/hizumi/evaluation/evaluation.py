"""Measure verdicts against labels and masks."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer

from hizumi.calibration import Calibration, Verdict
from hizumi.errors import DataError, UsageError
from hizumi.evaluation.bootstrap import Estimate, PixelEstimator, image_estimates, number
from hizumi.evaluation.metrics import auroc, best_f1, confusion_at
from hizumi.evaluation.pixels import LEVELS, part_of
from hizumi.evaluation.units import numbered, share_interval
from hizumi.words import counted


@dataclass(frozen=True)
class KindResult:
    """One kind of defect: number of images, number over the threshold, and AUROC against all good images."""

    kind: str
    count: int
    found: int
    missed: int
    image_auroc: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results of a detector on a test set at one threshold.

    `names`, `kinds`, `labels` and `scores` have one entry per image, in the order of the verdicts; a label of -1 is
    unknown and never counted. `false_alarm_rate` is the requested rate, None where the threshold follows from none,
    `promised_rate` the one that the rule promises, or None. Numbers that need a class the test set lacks are NaN, and
    `image_note` says so; pixel estimates are None where they cannot be computed, and `pixel_note` says why or what was
    left out. `defective_share` is that of the pixels measured, the average precision of a map that knows nothing. Of
    series, pixels are steps, and there is no AUPRO, which is about regions. `best_f1` is an oracle: its threshold is
    chosen on the test labels. `groups` says of how many groups the labelled images are, each of none being one, and
    `normal_groups` of how many the good ones; None where no two are of one group. Intervals go by them; `units` numbers
    the group of each image.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    labels: Integer[np.ndarray, "n"]
    scores: Float[np.ndarray, "n"]
    threshold: float
    false_alarm_rate: float | None
    promised_rate: float | None
    normal_count: int
    anomalous_count: int
    false_alarms: int
    missed_defects: int
    realised_false_alarm_rate: Estimate
    image_auroc: Estimate
    average_precision: Estimate
    f1: float
    precision: float
    recall: float
    best_f1: float
    kinds_table: tuple[KindResult, ...]
    pixel_auroc: Estimate | None
    pixel_average_precision: Estimate | None
    aupro: Estimate | None
    image_note: str
    pixel_note: str
    defective_share: float | None = None
    groups: int | None = None
    normal_groups: int | None = None
    units: Integer[np.ndarray, "n"] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Stable keys for JSON, each estimate beside its `<key>_interval`; None for what cannot be computed.

        `<key>_error` is how far a pixel metric may lie from the exact one, at most: 0 where it is exact.
        """
        numbers: dict[str, Any] = {}
        for key in _ESTIMATES:
            estimate = getattr(self, key)
            numbers[key] = None if estimate is None else number(estimate.value)
            known = estimate is not None and not math.isnan(estimate.value)
            numbers[f"{key}_interval"] = [estimate.low, estimate.high] if known else None
            if key in _PIXEL_ESTIMATES:
                numbers[f"{key}_error"] = estimate.error if known else None
        for key in ("f1", "precision", "recall", "best_f1", "threshold"):
            numbers["oracle_best_f1" if key == "best_f1" else key] = number(getattr(self, key))
        for key in (
            "false_alarm_rate",
            "promised_rate",
            "normal_count",
            "anomalous_count",
            "false_alarms",
            "missed_defects",
            "groups",
        ):
            numbers[key] = getattr(self, key)
        rows = [asdict(result) | {"image_auroc": number(result.image_auroc)} for result in self.kinds_table]
        return numbers | {"kinds": rows, "image_note": self.image_note, "pixel_note": self.pixel_note}


_PIXEL_ESTIMATES = ("pixel_auroc", "pixel_average_precision", "aupro")
_ESTIMATES = ("image_auroc", "average_precision", *_PIXEL_ESTIMATES, "realised_false_alarm_rate")


def evaluate(
    verdicts: Sequence[Verdict],
    *,
    labels: Sequence[int | None] | Integer[np.ndarray, "n"],
    kinds: Sequence[str],
    masks: Sequence[np.ndarray | None] | None,
    calibration: Calibration,
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
    refused_masks: int = 0,
    noun: str = "image",
) -> Evaluation:
    """Measure verdicts against labels (0 good, 1 anomalous, None or -1 unknown), kinds of defect and true masks.

    `masks` are (H, W), True on the defect, at the size of the image; good images need none. Images of one of the
    `groups`, such as those of one part, are alike, which intervals take into account; None belongs to none.
    `refused_masks` counts those that could not be used and are not given. `noun` is what notes call one record. Raises
    UsageError when the lengths differ and DataError for a label or mask that does not fit, naming the image.
    """
    given = {"labels": labels, "kinds": kinds, "masks": masks, "groups": groups}
    lengths = {name: len(each) for name, each in given.items() if each is not None}
    for name, length in lengths.items():
        if verdicts and length != len(verdicts):
            raise UsageError(f"{length} {name} were given for {len(verdicts)} verdicts: give one for each")
    evaluator = Evaluator(noun=noun)
    each_mask = [None] * len(verdicts) if masks is None else masks
    each_group = [None] * len(verdicts) if groups is None else groups
    for verdict, label, kind, mask, group in zip(verdicts, labels, kinds, each_mask, each_group, strict=True):
        evaluator.add(verdict, label=None if label is None else int(label), kind=kind, mask=mask, group=group)
    return evaluator.evaluation(calibration, seed=seed, refused_masks=refused_masks)


class Evaluator:
    """Measures verdicts one by one, as `evaluate` does all at once, and keeps no map and no mask.

    What it keeps of the pixels is bounded (see `hizumi.evaluation.pixels`): beyond `most_levels`, pixel metrics have
    an error, which is stated. The order of the verdicts does not matter to any metric.
    """

    def __init__(self, most_levels: int = LEVELS, noun: str = "image") -> None:
        self._noun, self._part = noun, part_of(noun)
        self._names: list[str] = []
        self._scores: list[float] = []
        self._labels: list[int] = []
        self._kinds: list[str] = []
        self._units: list[tuple[str, str | int]] = []
        self._has_maps = False
        self._has_masks = False
        self._unmarked = 0
        self._marked = 0
        self._defective_pixels = 0
        self._outside = 0
        self._partly_outside = 0
        self._pixels = PixelEstimator(most_levels)

    def add(
        self,
        verdict: Verdict,
        *,
        label: int | None,
        kind: str,
        mask: np.ndarray | None,
        group: str | None = None,
    ) -> None:
        """One more verdict, with what is known of its image; raises DataError as `evaluate` does."""
        known_label = -1 if label is None else label
        if known_label not in (-1, 0, 1):
            raise DataError(
                f"{verdict.name} has label {known_label}: use 0 for good, 1 for anomalous, None for unknown"
            )
        if math.isnan(verdict.score) or (verdict.map is not None and np.isnan(verdict.map).any()):
            raise DataError(f"the score or map of {verdict.name} holds NaN: the detector failed on it, fit it again")
        unit = ("alone", len(self._names)) if group is None else ("group", group)
        self._units.append(unit)
        self._names.append(verdict.name)
        self._scores.append(verdict.score)
        self._labels.append(known_label)
        self._kinds.append(kind)
        self._has_maps |= verdict.map is not None
        self._has_masks |= mask is not None
        if verdict.map is not None and known_label != -1:
            self._add_pixels(verdict.map, _truth(verdict, mask if known_label == 1 else None), known_label, unit)
        if verdict.inside is not None and mask is not None and known_label == 1:
            self._note_outside(mask.astype(bool), verdict.inside)

    def evaluation(self, calibration: Calibration, *, seed: int = 0, refused_masks: int = 0) -> Evaluation:
        """All metrics of what was added, at the threshold of the calibration."""
        if not self._names:
            raise DataError(f"there is nothing to evaluate: the test set holds no {self._noun} that could be scored")
        scores, labels = np.array(self._scores, dtype=np.float64), np.array(self._labels, dtype=np.int64)
        threshold = calibration.threshold.value
        normal, anomalous = labels == 0, labels == 1
        known = normal | anomalous
        confusion = confusion_at(scores[known], labels[known], threshold)
        units = numbered(self._units)
        roc, precision_recall = image_estimates(scores[known], labels[known], units=units[known].tolist(), seed=seed)
        pixels, pixel_note = self._pixel_estimates(seed, refused_masks)
        false_alarms, normal_count = confusion.false_alarms, int(normal.sum())
        rate = false_alarms / normal_count if normal_count else math.nan
        good_units = numbered(units[normal].tolist())
        interval = share_interval(scores[normal] > threshold, good_units) if normal_count else (math.nan, math.nan)
        groups = len({*units[known].tolist()})
        is_grouped = groups < int(known.sum())
        return Evaluation(
            names=tuple(self._names),
            kinds=tuple(self._kinds),
            labels=labels,
            scores=scores,
            threshold=threshold,
            false_alarm_rate=calibration.followed_rate,
            promised_rate=calibration.threshold.promised_rate,
            normal_count=normal_count,
            anomalous_count=int(anomalous.sum()),
            false_alarms=false_alarms,
            missed_defects=confusion.missed,
            realised_false_alarm_rate=Estimate(rate, *interval),
            image_auroc=roc,
            average_precision=precision_recall,
            f1=confusion.f1,
            precision=confusion.precision,
            recall=confusion.recall,
            best_f1=best_f1(scores[known], labels[known]),
            kinds_table=_by_kind(scores, labels, self._kinds, threshold),
            pixel_auroc=pixels[0],
            pixel_average_precision=pixels[1],
            aupro=None if self._part == "step" else pixels[2],
            image_note=" ".join(
                filter(
                    None,
                    (
                        _note(self._noun, normal_count, int(anomalous.sum()), int((~known).sum())),
                        _on_groups(self._noun, int(known.sum()), groups) if is_grouped else "",
                        self._on_region(),
                    ),
                )
            ),
            pixel_note=pixel_note,
            defective_share=None if pixels[1] is None else self._defective_pixels / self._pixels.counts.pixels,
            groups=groups if is_grouped else None,
            normal_groups=int(good_units.max(initial=-1)) + 1 if is_grouped else None,
            units=units,
        )

    def _add_pixels(
        self, scores: Float[np.ndarray, "h w"], truth: Bool[np.ndarray, "h w"], label: int, unit: tuple[str, str | int]
    ) -> None:
        if label == 1 and not truth.any():
            self._unmarked += 1
            return
        self._marked += label
        self._defective_pixels += int(truth.sum())
        self._pixels.add(scores, truth, unit)

    def _note_outside(self, truth: Bool[np.ndarray, "h w"], inside: Bool[np.ndarray, "h w"]) -> None:
        """Count images whose marked defects were not looked at, all of them or some of their pixels."""
        if truth.shape != inside.shape or not (truth & ~inside).any():
            return
        wholly = not (truth & inside).any()
        self._outside += wholly
        self._partly_outside += not wholly

    def _on_region(self) -> str:
        """What the region of interest leaves out of the marked defects, and how that was counted."""
        counts = {"all": self._outside, "some": self._partly_outside}
        parts = [
            f"{share} of those of {counted(count, f'anomalous {self._noun}')}"
            for share, count in counts.items()
            if count
        ]
        if not parts:
            return ""
        return (
            f"The region of interest leaves out marked pixels, {' and '.join(parts)}: they were not looked at, cannot "
            "be found, and count as missed."
        )

    def _pixel_estimates(self, seed: int, refused: int) -> tuple[Sequence[Estimate | None], str]:
        """The three pixel estimates, and a note on why there are none, what they leave out, or how exact they are."""
        nothing = (None, None, None)
        if not self._has_maps:
            return nothing, f"This detector draws no maps, so there are no {self._part} metrics."
        if refused and not self._has_masks:
            unusable = f"None of the {refused} masks of the test set can be used"
            return nothing, f"{unusable}, so there are no {self._part} metrics."
        if not self._has_masks:
            missing = "masks" if self._part == "pixel" else "labelled steps"
            return nothing, f"The test set has no {missing}, so there are no {self._part} metrics."
        notes = []
        if not self._marked:
            what = "mask marks a defect" if self._part == "pixel" else "step is labelled anomalous"
            notes.append(f"No {what}, so there are no {self._part} metrics.")
        if self._unmarked:
            notes.append(
                f"Left out of the {self._part} metrics: {counted(self._unmarked, f'anomalous {self._noun}')} without a "
                "marked defect."
            )
        if not self._marked:
            return nothing, " ".join(notes)
        estimates = self._pixels.estimates(seed=seed)
        coarsest = max(estimates, key=lambda estimate: estimate.error)
        if coarsest.error > 0:
            counts = self._pixels.counts
            notes.append(
                f"The {counts.pixels:,} {self._part}s were counted at {counts.most_levels:,} levels of their scores at "
                f"most, so each {self._part} metric is within {coarsest.error_bound} of the exact one."
            )
        return estimates, " ".join(notes)


def _by_kind(
    scores: Float[np.ndarray, "n"], labels: Integer[np.ndarray, "n"], kinds: Sequence[str], threshold: float
) -> tuple[KindResult, ...]:
    results = []
    for kind in sorted({kind for kind, label in zip(kinds, labels, strict=True) if label == 1}):
        of_kind = (labels == 1) & np.array([other == kind for other in kinds])
        count, found = int(of_kind.sum()), int((scores[of_kind] > threshold).sum())
        beside_good = of_kind | (labels == 0)
        results.append(KindResult(kind, count, found, count - found, auroc(scores[beside_good], labels[beside_good])))
    return tuple(results)


def _truth(verdict: Verdict, mask: np.ndarray | None) -> Bool[np.ndarray, "h w"]:
    assert verdict.map is not None, "only maps have true masks"
    if mask is None:
        return np.zeros(verdict.map.shape, dtype=bool)
    if mask.shape != verdict.map.shape:
        shapes = [" x ".join(map(str, shape[::-1])) for shape in (mask.shape, verdict.map.shape)]
        raise DataError(
            f"the mask of {verdict.name} is {shapes[0]} but the image is {shapes[1]}: give it the image's size"
        )
    return mask.astype(bool)


def _on_groups(noun: str, count: int, groups: int) -> str:
    return (
        f"The {count} {noun}s are of {counted(groups, 'group')}, such as one part or copies of one {noun}, which are "
        "alike: intervals go by groups."
    )


def _note(noun: str, normal: int, anomalous: int, unknown: int) -> str:
    notes = []
    if not (normal and anomalous):
        missing = "good" if anomalous else "anomalous"
        if not (normal or anomalous):
            missing = "labelled"
        notes.append(f"The test set has no {missing} {noun}s, so there is no AUROC and no average precision.")
    if unknown:
        notes.append(f"Not counted: {counted(unknown, noun)} without a label.")
    return " ".join(notes)

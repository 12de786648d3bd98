"""Measure verdicts against labels and masks."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer

from hizumi.calibration import Calibration, Verdict
from hizumi.errors import DataError, UsageError
from hizumi.evaluation.bootstrap import Estimate, image_estimates, number, pixel_estimates
from hizumi.evaluation.metrics import auroc, best_f1, binomial_interval, confusion_at


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
    unknown and never counted. `false_alarm_rate` is the requested rate, `promised_rate` the one that the rule promises,
    or None. Numbers that need a class the test set lacks are NaN, and `image_note` says so; pixel estimates are None
    where they cannot be computed, and `pixel_note` says why or what was left out. `defective_share` is that of the
    pixels measured, the average precision of a map that knows nothing. `best_f1` is an oracle: its threshold is chosen
    on the test labels.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    labels: Integer[np.ndarray, "n"]
    scores: Float[np.ndarray, "n"]
    threshold: float
    false_alarm_rate: float
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

    def to_dict(self) -> dict[str, Any]:
        """Stable keys for JSON, each estimate beside its `<key>_interval`; None for what cannot be computed."""
        numbers: dict[str, Any] = {}
        for key in _ESTIMATES:
            estimate = getattr(self, key)
            numbers[key] = None if estimate is None else number(estimate.value)
            known = estimate is not None and not math.isnan(estimate.value)
            numbers[f"{key}_interval"] = [estimate.low, estimate.high] if known else None
        for key in ("f1", "precision", "recall", "best_f1", "threshold", "false_alarm_rate"):
            numbers["oracle_best_f1" if key == "best_f1" else key] = number(getattr(self, key))
        for key in ("promised_rate", "normal_count", "anomalous_count", "false_alarms", "missed_defects"):
            numbers[key] = getattr(self, key)
        rows = [asdict(result) | {"image_auroc": number(result.image_auroc)} for result in self.kinds_table]
        return numbers | {"kinds": rows, "image_note": self.image_note, "pixel_note": self.pixel_note}


_ESTIMATES = (
    "image_auroc",
    "average_precision",
    "pixel_auroc",
    "pixel_average_precision",
    "aupro",
    "realised_false_alarm_rate",
)


def evaluate(
    verdicts: Sequence[Verdict],
    *,
    labels: Sequence[int | None] | Integer[np.ndarray, "n"],
    kinds: Sequence[str],
    masks: Sequence[np.ndarray | None] | None,
    calibration: Calibration,
    seed: int = 0,
    refused_masks: int = 0,
) -> Evaluation:
    """Measure verdicts against labels (0 good, 1 anomalous, None or -1 unknown), kinds of defect and true masks.

    `masks` are (H, W), True on the defect, at the size of the image; good images need none. `refused_masks` counts
    those that could not be used and are not given. Raises UsageError when the lengths differ and DataError for a label
    or mask that does not fit, naming the image.
    """
    known_labels = _as_labels(verdicts, labels, kinds, masks)
    scores = _scores(verdicts)
    threshold = calibration.threshold.value
    normal, anomalous = known_labels == 0, known_labels == 1
    known = normal | anomalous
    confusion = confusion_at(scores[known], known_labels[known], threshold)
    roc, precision_recall = image_estimates(scores[known], known_labels[known], seed=seed)
    pixels, pixel_note = _pixels(verdicts, known_labels, masks, seed, refused_masks)
    false_alarms, normal_count = confusion.false_alarms, int(normal.sum())
    rate = false_alarms / normal_count if normal_count else math.nan
    interval = binomial_interval(false_alarms, normal_count) if normal_count else (math.nan, math.nan)
    return Evaluation(
        names=tuple(verdict.name for verdict in verdicts),
        kinds=tuple(kinds),
        labels=known_labels,
        scores=scores,
        threshold=threshold,
        false_alarm_rate=calibration.false_alarm_rate,
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
        best_f1=best_f1(scores[known], known_labels[known]),
        kinds_table=_by_kind(scores, known_labels, kinds, threshold),
        pixel_auroc=pixels[0],
        pixel_average_precision=pixels[1],
        aupro=pixels[2],
        image_note=_image_note(normal_count, int(anomalous.sum()), int((~known).sum())),
        pixel_note=pixel_note,
        defective_share=None if pixels[1] is None else _defective_share(verdicts, known_labels, masks),
    )


def _as_labels(
    verdicts: Sequence[Verdict],
    labels: Sequence[int | None] | Integer[np.ndarray, "n"],
    kinds: Sequence[str],
    masks: Sequence[np.ndarray | None] | None,
) -> Integer[np.ndarray, "n"]:
    if not verdicts:
        raise DataError("there is nothing to evaluate: the test set holds no image that could be scored")
    lengths = {"labels": len(labels), "kinds": len(kinds)} | ({} if masks is None else {"masks": len(masks)})
    for name, length in lengths.items():
        if length != len(verdicts):
            raise UsageError(f"{length} {name} were given for {len(verdicts)} verdicts: give one for each")
    numbers = np.array([-1 if label is None else int(label) for label in labels], dtype=np.int64)
    for index in np.flatnonzero(~np.isin(numbers, (-1, 0, 1)))[:1]:
        name = verdicts[int(index)].name
        raise DataError(f"{name} has label {numbers[index]}: use 0 for good, 1 for anomalous, None for unknown")
    return numbers


def _scores(verdicts: Sequence[Verdict]) -> Float[np.ndarray, "n"]:
    for verdict in verdicts:
        if math.isnan(verdict.score) or (verdict.map is not None and np.isnan(verdict.map).any()):
            raise DataError(f"the score or map of {verdict.name} holds NaN: the detector failed on it, fit it again")
    return np.array([verdict.score for verdict in verdicts], dtype=np.float64)


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


def _pixels(
    verdicts: Sequence[Verdict],
    labels: Integer[np.ndarray, "n"],
    masks: Sequence[np.ndarray | None] | None,
    seed: int,
    refused: int,
) -> tuple[Sequence[Estimate | None], str]:
    """The three pixel estimates, and a note on why there are none or what they leave out."""
    nothing = (None, None, None)
    if all(verdict.map is None for verdict in verdicts):
        return nothing, "This detector draws no maps, so there are no pixel metrics."
    if refused and (masks is None or all(mask is None for mask in masks)):
        return nothing, f"None of the {refused} masks of the test set can be used, so there are no pixel metrics."
    if masks is None or all(mask is None for mask in masks):
        return nothing, "The test set has no masks, so there are no pixel metrics."
    maps, truths, unmarked = [], [], 0
    for verdict, label, mask in zip(verdicts, labels, masks, strict=True):
        if label == -1 or verdict.map is None:
            continue
        truth = _truth(verdict.name, verdict.map.shape, mask if label == 1 else None)
        if label == 1 and not truth.any():
            unmarked += 1
            continue
        maps.append(verdict.map)
        truths.append(truth)
    note = f"{unmarked} anomalous images without a marked defect are left out of the pixel metrics." if unmarked else ""
    if not any(truth.any() for truth in truths):
        return nothing, f"No mask marks a defect, so there are no pixel metrics. {note}".rstrip()
    return pixel_estimates(maps, truths, seed=seed), note


def _defective_share(
    verdicts: Sequence[Verdict], labels: Integer[np.ndarray, "n"], masks: Sequence[np.ndarray | None] | None
) -> float:
    """Of the pixels that are measured: those of good images, and of anomalous ones with a marked defect."""
    defective = total = 0
    for verdict, label, mask in zip(verdicts, labels, masks or [None] * len(verdicts), strict=True):
        marked = int(mask.sum()) if mask is not None and label == 1 else 0
        if verdict.map is not None and (label == 0 or marked):
            defective, total = defective + marked, total + verdict.map.size
    return defective / total


def _truth(name: str, size: tuple[int, ...], mask: np.ndarray | None) -> Bool[np.ndarray, "h w"]:
    if mask is None:
        return np.zeros(size, dtype=bool)
    if mask.shape != size:
        shapes = [" x ".join(map(str, shape[::-1])) for shape in (mask.shape, size)]
        raise DataError(f"the mask of {name} is {shapes[0]} but the image is {shapes[1]}: give it the image's size")
    return mask.astype(bool)


def _image_note(normal: int, anomalous: int, unknown: int) -> str:
    notes = []
    if not (normal and anomalous):
        missing = "good" if anomalous else "anomalous"
        if not (normal or anomalous):
            missing = "labelled"
        notes.append(f"The test set has no {missing} images, so there is no AUROC and no average precision.")
    if unknown:
        notes.append(f"{unknown} images without a label are not counted.")
    return " ".join(notes)

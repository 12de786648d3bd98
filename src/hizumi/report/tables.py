"""Summary table of many runs."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hizumi.evaluation import Estimate
from hizumi.evaluation.paired import Pair, auroc_difference
from hizumi.evaluation.pixels import part_of
from hizumi.runs.nouns import folds_offered, noun_of
from hizumi.words import one_of

MEASURES = {
    "image_auroc": "AUROC",
    "average_precision": "Average precision",
    "recall": "Defects found",
    "pixel_auroc": "Pixel AUROC",
    "aupro": "AUPRO",
    "realised_false_alarm_rate": "False alarms",
    "fit_seconds": "Fit (s)",
}


def measures_of(noun: str) -> dict[str, str]:
    """The measures' names for such items: those of series have steps in place of pixels, and no regions."""
    if part_of(noun) == "pixel":
        return MEASURES
    of_steps = {key: title.replace("Pixel", "Step") for key, title in MEASURES.items() if key != "aupro"}
    return {"vus_pr": "VUS-PR", **of_steps, "image_auroc": f"{noun.capitalize()} AUROC"}


RANKINGS = {"vus_pr": "VUS-PR per recording (median)", "image_auroc": "AUROC"}


def ranked_by(rows: Sequence[Mapping[str, Any]]) -> str:
    """The key of the measure that orders detectors: VUS-PR of series whose steps are labelled, else AUROC of items."""
    return "vus_pr" if any(row.get("vus_pr") is not None for row in rows) else "image_auroc"


GOOD_RANKING, FEW_FOUND = 0.9, 0.5  # an AUROC, and the share of defects found at the threshold

_Judged = dict[str, tuple[float, int]]  # score and label of each image, by name


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each detector, best first (`ranked_by`): its runs, and {"mean", "deviation", "interval"} of measures.

    `rows` holds one run each, "detector" and the keys of `measures_of`. The deviation is None for a single run, which
    has the interval of its own test set instead, where it says anything: from 0 to 1 is none.
    """
    table = []
    first, measures = ranked_by(rows), measures_of(noun_of(record_in(rows)))
    for detector in dict.fromkeys(row["detector"] for row in rows):
        runs = [row for row in rows if row["detector"] == detector]
        line: dict[str, Any] = {"detector": detector, "runs": len(runs)}
        for key in measures:
            values = [float(run[key]) for run in runs if run.get(key) is not None and math.isfinite(run[key])]
            if values:
                line[key] = {
                    "mean": float(np.mean(values)),
                    "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                    "interval": interval_of(runs[0], key) if len(runs) == 1 else None,
                }
        table.append(line)
    return sorted(table, key=lambda line: -line.get(first, {"mean": -math.inf})["mean"])


def interval_of(run: Mapping[str, Any], key: str) -> Sequence[float] | None:
    """The interval of a measure of one run, by its own test set; None where it says nothing."""
    interval: Sequence[float] | None = run.get(f"{key}_interval")
    return None if interval is None or tuple(interval) == (0.0, 1.0) else interval


def wasted_rankings(summary: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> list[str]:
    """A sentence for each detector that ranks defects above good items, and whose threshold lets most of them pass.

    `record` is that of one of the fits, which were all asked for alike.
    """
    noun = noun_of(record)
    remedies = ["accept a higher --false-alarm-rate (the report says what others find)", f"give more good {noun}s"]
    if noun == "block":
        remedies.append("shorten the windows (--length), which makes more of them")
    if record.get("folds") is not None:
        remedies.append(
            f"leave --folds out, since fits on fewer {noun}s score those left out higher than the last fit would"
        )
    elif (folds := folds_offered(record)) is not None:
        remedies.append(f"fit with --folds {folds}, by which all good {noun}s set the threshold")
    sentences = []
    for line in summary:
        area, found = (line.get(key, {}).get("mean", math.nan) for key in ("image_auroc", "recall"))
        if area >= GOOD_RANKING and found < FEW_FOUND:
            sentences.append(
                f"{line['detector']} tells defects from good {noun}s (AUROC {area:.3f}), but its threshold finds "
                f"{found:.0%} of them: {one_of(remedies)}"
            )
    return sentences


def not_told_apart(
    rows: Sequence[Mapping[str, Any]], verdicts: Iterable[Mapping[str, Any]], units: Mapping[str, Hashable]
) -> list[str]:
    """A sentence on each detector that may be as good as the best, by the images that both judged.

    Each has an interval of its own, and those of two may overlap although the same images tell them apart. `rows` holds
    one run each; `verdicts` one of a run each, with "detector", "seed", and the keys of `verdict_rows`; `units` by name
    the unit of images that were not drawn independently of each other; others are their own.
    """
    if ranked_by(rows) != "image_auroc":
        return []
    judged: dict[str, dict[int, _Judged]] = {}
    for verdict in verdicts:
        if verdict.get("score") is not None and verdict["label"] is not None:
            of_run = judged.setdefault(verdict["detector"], {}).setdefault(verdict["seed"], {})
            of_run[verdict["name"]] = (verdict["score"], verdict["label"])
    best, *others = (line["detector"] for line in summarise(rows))
    sentences = []
    for other in others:
        difference = _difference(judged.get(best, {}), judged.get(other, {}), units)
        if difference is not None and difference.low <= 0:
            noun = noun_of(record_in(rows))
            sentences.append(
                f"These {noun}s do not tell whether {best} is better than {other}: their AUROC differs by "
                f"{difference.value:.3f} (95%: {difference.low:.3f} to {difference.high:.3f})"
            )
    return sentences


def _difference(
    best: Mapping[int, _Judged], other: Mapping[int, _Judged], units: Mapping[str, Hashable]
) -> Estimate | None:
    """Of AUROC, by the labelled images that both could read, in fits with the same seeds; None where there are none."""
    pairs = []
    for seed in best.keys() & other.keys():
        shared = [name for name in best[seed] if name in other[seed]]
        scores, others = (np.array([each[seed][name][0] for name in shared]) for each in (best, other))
        labels = np.array([best[seed][name][1] for name in shared], dtype=np.int64)
        pairs.append(Pair(scores, others, labels, [units.get(name, name) for name in shared]))
    return auroc_difference(pairs) if pairs else None


def record_in(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The record of the first of these runs' fits, as far as it is known."""
    record: Mapping[str, Any] = rows[0].get("options", {})
    return record

"""Detectors through a collection of time series, each fitted on each series by itself.

Figures are medians over the series, since a few of them are trivially easy and a few labelled wrongly. Windows have 64
steps; one at every step is learned from, so that no neighbour is missed by a shift, and one every 4 is scored. Each
channel is standardised by what is learned from. Scores of steps are measured as they are: no alarm is moved or widened,
and no threshold is chosen on the test.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from hizumi.calibration import Calibration
from hizumi.data import Failure, Manifest, Record, Store
from hizumi.data.progress import Observer, reporting
from hizumi.data.series.blocks import of_recordings, split_series
from hizumi.data.series.form import Recording, SeriesForm, Steps
from hizumi.data.series.steadying import Steadying
from hizumi.detectors import Detector
from hizumi.errors import DataError
from hizumi.evaluation.bootstrap import number
from hizumi.evaluation.events import counted_events
from hizumi.evaluation.metrics import average_precision
from hizumi.evaluation.volume import volumes_under_surfaces
from hizumi.preprocessing import Preprocessing, Reader, in_batches
from hizumi.preprocessing.batching import Outputs
from hizumi.preprocessing.reading import Piece
from hizumi.reproduction.collections import LENGTH, Task
from hizumi.reproduction.costs import Costs
from hizumi.training import TrainingOptions

HOP_LEARNED, HOP_SCORED = 1, 4  # steps from a window to the next
CALIBRATION_SHARE = 0.2
DRAWS = 3  # of random scores
SCORED_AT_ONCE = 512  # windows


def measured(
    tasks: tuple[Task, ...],
    make: Callable[[], Detector],
    options: TrainingOptions,
    false_alarm_rate: float,
    costs: Costs,
    observe: Observer | None = None,
) -> dict[str, Any]:
    """Sizes, figures and times over all series, each with detectors of its own; fits and scores are counted as costs.

    How scores rank the steps is that of a detector which has learned from all there is to learn from; what a threshold
    decides, that of one from which its blocks were held out, and by these the ends of its recordings are steadied.
    """
    figures, began = [], time.monotonic()
    progress = reporting(observe, "series")
    for place, task in enumerate(tasks, 1):
        figures.append(_ranked(task, make(), options, costs) | _decided(task, make(), options, false_alarm_rate, costs))
        if progress is not None:
            progress(place, len(tasks))
    known = [each for each in figures if not np.isnan(each["vus_pr"])]
    return {
        "training": sum(len(task.train) for task in tasks),
        "calibration": sum("promised_rate" in each for each in figures),
        "tested": sum(len(task.test) for task in tasks),
        "training_there": sum(len(task.train) for task in tasks),
        "tested_there": sum(len(task.test) for task in tasks),
        "anomalous": int(sum(task.anomalous.sum() for task in tasks)),
        "figures": _medians(figures),
        "notes": _notes(figures, len(known)),
        "seconds": round(time.monotonic() - began, 1),
    }


def _blocks(values: Float[np.ndarray, "t c"], name: str, anomalous: Bool[np.ndarray, "t"] | None = None) -> Manifest:
    form = SeriesForm(tuple(f"channel {index}" for index in range(values.shape[1])), None, LENGTH, HOP_SCORED)
    return of_recordings((Recording(name, values.astype(np.float64), anomalous=anomalous),), form, name)


def _fitted(detector: Detector, train: Manifest, options: TrainingOptions, costs: Costs) -> Reader:
    """Fit the detector on a window at every step, and give what reads others, fewer of them, for it."""
    scored = train.series
    assert scored is not None, "series have a form"
    with costs.fitting():
        store = Store.build(replace(train, series=replace(scored, hop=HOP_LEARNED)), None)
        detector.fit(store, options)
    return Reader(replace(Preprocessing.of(store), series=scored), store.shape)


def _scored(detector: Detector, reader: Reader, blocks: Manifest, costs: Costs) -> list[Float[np.ndarray, "_"]]:
    """Scores of the steps of each block."""
    with costs.scoring(sum(len(record.steps or ()) for record in blocks.records)):
        return [reader.step_scores(*each) for each in _windows(detector, reader, blocks)]


def _windows(detector: Detector, reader: Reader, blocks: Manifest) -> Iterator[tuple[Piece, Float[np.ndarray, "w"]]]:
    """The windows of each block, and their scores."""

    def scores(crops: np.ndarray) -> Outputs:
        items = torch.from_numpy(reader.preprocessing.to_model(crops))
        return {"score": detector.score(items, SCORED_AT_ONCE).image.double().cpu().numpy()}

    done = in_batches(scores, reader.pieces(blocks, strict=True), batch_size=SCORED_AT_ONCE)
    for item in done:
        assert not isinstance(item, Failure), "a strict reader raises errors"
        yield item[0], item[1]["score"]


def scores_of_test(task: Task, detector: Detector, options: TrainingOptions, costs: Costs) -> Float[np.ndarray, "s"]:
    """Fit on all that is learned from, and score each step of what is tested."""
    manifest = _blocks(task.train, task.name)
    whole = replace(manifest, records=(Record(task.name, row=0, steps=Steps(0, len(task.train))),))
    reader = _fitted(detector, whole, options, costs)
    return np.concatenate(_scored(detector, reader, _blocks(task.test, task.name), costs))


def _ranked(task: Task, detector: Detector, options: TrainingOptions, costs: Costs) -> dict[str, float]:
    """How scores rank the steps, and how random ones do; NaN where no step or all of them are anomalous."""
    if task.anomalous.all() or not task.anomalous.any():
        return dict.fromkeys(("vus_pr", "average_precision", "vus_pr_by_chance"), np.nan)
    scores = scores_of_test(task, detector, options, costs)
    by_chance = np.random.default_rng(options.seed).random((DRAWS, len(scores)))
    return {
        "vus_pr": _volume(scores, task),
        "average_precision": average_precision(scores, task.anomalous.astype(np.int64)),
        "vus_pr_by_chance": float(np.mean([_volume(each, task) for each in by_chance])),
    }


def _volume(scores: Float[np.ndarray, "s"], task: Task) -> float:
    return float(volumes_under_surfaces(scores, task.anomalous, LENGTH).precision_recall)


def _decided(
    task: Task, detector: Detector, options: TrainingOptions, false_alarm_rate: float, costs: Costs
) -> dict[str, float]:
    """Events and false alarms at the calibrated threshold; of blocks, those without an anomaly.

    Nothing where the series is too short to learn from and to set a threshold by.
    """
    try:
        dealt = split_series(_blocks(task.train, task.name), CALIBRATION_SHARE, options.seed)
        reader = _fitted(detector, dealt.select(split="train"), options, costs)
    except DataError:
        return {}
    held_out = list(_windows(detector, reader, dealt.select(split="calibration")))
    steadying = Steadying.of([scores for _, scores in held_out], LENGTH // HOP_SCORED)
    reader = replace(reader, preprocessing=replace(reader.preprocessing, steadying=steadying))
    highest = np.array([reader.record_score(*each) for each in held_out])
    threshold = Calibration.fit(highest, false_alarm_rate=false_alarm_rate).threshold
    blocks = _blocks(task.test, task.name, task.anomalous)
    by_block = _scored(detector, reader, blocks, costs)
    scores = np.concatenate(by_block)
    counts = counted_events(scores > threshold.value, task.anomalous, LENGTH)
    pairs = zip(by_block, blocks.records, strict=True)
    alarms = [float(each.max() > threshold.value) for each, record in pairs if record.label == 0]
    return {
        "event_recall": counts.event_recall,
        "false_alarms_per_1000": counts.false_alarms_per_1000,
        "realised_false_alarm_rate": float(np.mean(alarms)) if alarms else np.nan,
        "promised_rate": threshold.promised_rate or np.nan,
    }


def _medians(figures: Sequence[Mapping[str, float]]) -> dict[str, float | None]:
    """Of each figure over the series that have it."""
    names = dict.fromkeys(name for each in figures for name in each)
    columns = {name: np.array([each[name] for each in figures if name in each]) for name in names}
    known = {name: values[~np.isnan(values)] for name, values in columns.items()}
    return {name: number(float(np.median(values))) if len(values) else None for name, values in known.items()}


def _notes(figures: Sequence[Mapping[str, float]], known: int) -> list[str]:
    notes = [f"medians over the {known} of {len(figures)} series in which some steps are anomalous and some not"]
    decided = [each for each in figures if not np.isnan(each.get("realised_false_alarm_rate", np.nan))]
    if decided:
        kept = sum(each["realised_false_alarm_rate"] <= 2 * each["promised_rate"] for each in decided)
        notes.append(
            f"in {kept} of {len(decided)} series at most twice the promised share of normal blocks was flagged"
        )
    if len(decided) < len(figures):
        notes.append(f"{len(figures) - len(decided)} series are too short to set a threshold, or have no block without")
    return notes

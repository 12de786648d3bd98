"""From a fitted inspector and labelled data to everything that a report shows."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from hizumi.calibration import Calibration, Verdict
from hizumi.data import Failure, Manifest
from hizumi.data.manifest import Record
from hizumi.data.masks import MaskReader, check_masks
from hizumi.data.progress import Observer, reporting
from hizumi.data.splitting import numbers_of_units
from hizumi.errors import DataError
from hizumi.evaluation import Evaluator
from hizumi.evaluation.causal import CausalMeasures, causal_measures
from hizumi.evaluation.series import SeriesMeasures, series_measures
from hizumi.inspection.scoring import Scored, Scorer, Wanted
from hizumi.inspection.verdicts import counted_notes, verdict_on
from hizumi.report.cases import Candidates, Judged
from hizumi.report.content import POINTS_IN_AN_EMBEDDING, UNKNOWN, ReportContent, Tile
from hizumi.report.recordings import compared_windows, shown_recordings

if TYPE_CHECKING:
    from hizumi.inspection.loaded import Fitted

NUMBERS_IN_AN_EMBEDDING = 2**25
"""Features of all inputs together, of which images have many: 128 MiB."""


def assess(
    inspector: "Fitted",
    manifest: Manifest,
    *,
    called: str | None = None,
    strict: bool = False,
    observe: Observer | None = None,
) -> ReportContent:
    """Inspect all records of a manifest and gather what a report shows; measured where records have labels.

    Each record is read and scored once, and one map and one mask are in memory at a time, beside small pictures of the
    few inputs that are shown; recordings of series that are drawn are read once more. The detector is `called` by its
    own name where none is given.
    """
    manifest = inspector.preprocessing_.decoding(manifest)
    is_labelled = any(record.label is not None for record in manifest.records)
    if strict:
        check_masks(manifest)  # otherwise they are read once, with their images, and named
    masks = MaskReader(manifest)
    measured = _measured(inspector, manifest, masks, is_labelled=is_labelled, strict=strict, observe=observe)
    manifest = manifest.only(measured.read)
    detector = called or inspector.options_["detector"]["name"]
    content = ReportContent(
        title=f"{detector} on {manifest.name}",
        subtitle=inspector.detector_.card.idea,
        detector=detector,
        verdicts=measured.verdicts,
        calibration=inspector.calibration_,
        evaluation=measured.evaluator.evaluation(inspector.calibration_, refused_masks=masks.refused)
        if is_labelled
        else None,
        journal=inspector.journal_.records,
        findings=inspector.findings_,
        options=inspector.options_,
        features=np.stack([*measured.features.values()]) if measured.features else None,
        featured=[*measured.features],
        data_notes=(*manifest.notes, *masks.notes, *counted_notes(measured.verdicts)),
        failures=measured.failures,
        unopened=[(each.name, each.reason) for each in manifest.unopened],
        differences=inspector.preprocessing_.differences(_good_ones(manifest)),
        cases=measured.cases,
    )
    if manifest.series is None:
        return content
    measures, causal = measured.of_steps(inspector.calibration_, manifest.series.length)
    content = replace(content, measures=measures, causal=causal)
    return _with_recordings(inspector, manifest, content)


@dataclass
class _Measured:
    """Verdicts without their maps, the places of their records, and what was measured on the way.

    Features, and the pictures of cases, are by the places of their verdicts.
    """

    evaluator: Evaluator
    verdicts: list[Verdict] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    features: dict[int, np.ndarray] = field(default_factory=dict)
    cases: dict[int, Sequence[Tile]] = field(default_factory=dict)
    # Of recordings, block by block: scores of steps, labels, and scores of the newest windows.
    steps: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def of_steps(self, calibration: Calibration, length: int) -> tuple[SeriesMeasures | None, CausalMeasures | None]:
        """Measures of steps and events, and of what is known at once; None without labels of steps."""
        if not self.steps:
            return None, None
        scores, labels, newest = (
            [np.concatenate([block[part] for block in blocks]) for blocks in self.steps.values()] for part in range(3)
        )
        threshold = calibration.threshold.value
        return series_measures(scores, labels, threshold, length), causal_measures(newest, labels, threshold, length)


def _measured(
    inspector: "Fitted",
    manifest: Manifest,
    masks: MaskReader,
    *,
    is_labelled: bool,
    strict: bool,
    observe: Observer | None,
) -> _Measured:
    measured = _Measured(Evaluator(noun=manifest.noun))
    units = None if manifest.series is not None else numbers_of_units(manifest)  # of recordings, blocks count
    cases = None
    if not manifest.vectors and manifest.series is None:
        cases = _Cases(manifest.records, inspector.calibration_, is_labelled=is_labelled)
    for item in _scored(inspector, manifest, False if cases is None else cases.admits, strict, observe):
        if isinstance(item, Failure):
            measured.failures.append((item.name, item.reason))
            continue
        index, record = item.index, manifest.records[item.index]
        verdict = verdict_on(item, inspector.calibration_)
        mask = None if item.map is None and item.inside is None else masks.read(index)
        if record.row is not None and item.map is not None and item.newest is not None and mask is not None:
            measured.steps.setdefault(record.row, []).append((item.map[0], mask[0], item.newest))
        group = None if units is None else str(units[index])
        measured.evaluator.add(verdict, label=record.label, kind=record.kind, mask=mask, group=group)
        if item.embedding is not None:
            measured.features[len(measured.verdicts)] = item.embedding
        if cases is not None and index in cases.candidates:
            cases.keep(index, verdict, mask)
        measured.verdicts.append(replace(verdict, map=None, picture=None, normal=None, inside=None, newest=None))
        measured.read.append(index)
    if not measured.verdicts:
        first = ": ".join(measured.failures[0])
        raise DataError(f"{manifest.name}: none of {len(manifest)} could be read; the first: {first}")
    if cases is not None:
        kept = cases.pictures
        measured.cases = {place: kept[index] for place, index in enumerate(measured.read) if index in kept}
    return measured


class _Cases:
    """Small pictures of the inputs that a report would show of those seen so far, by the indices of their records."""

    def __init__(self, records: Sequence[Record], calibration: Calibration, *, is_labelled: bool) -> None:
        self.candidates = Candidates(calibration, is_labelled=is_labelled)
        self.pictures: dict[int, Sequence[Tile]] = {}
        self._records = records
        self._calibration = calibration

    def admits(self, index: int, score: float) -> bool:
        """Whether the pictures of this record are wanted; those of others may then no longer be."""
        record, alarmed = self._records[index], bool(self._calibration.is_anomalous(np.array([score]))[0])
        label = UNKNOWN if record.label is None else record.label
        is_admitted = self.candidates.admit(Judged(index, score, alarmed, label, record.kind))
        self.pictures = {other: shown for other, shown in self.pictures.items() if other in self.candidates}
        return is_admitted

    def keep(self, index: int, verdict: Verdict, mask: np.ndarray | None) -> None:
        """What the report shows of an input that was admitted."""
        from hizumi.report.panels import thumbnail, tiles  # with matplotlib, which takes a second to load

        found = tiles(verdict, self._calibration, mask)
        self.pictures[index] = [replace(tile, pixels=thumbnail(tile.pixels)) for tile in found]


def _scored(
    inspector: "Fitted", manifest: Manifest, pictures: Wanted, strict: bool, observe: Observer | None
) -> Iterator[Scored | Failure]:
    """All records in order, each read once; some with what the detector sees of them."""
    progress, total = reporting(observe, "scoring"), len(manifest)

    def of(places: Sequence[int], *, embedded: bool) -> Iterator[Scored | Failure]:
        def wanted(place: int, score: float) -> bool:
            return pictures if isinstance(pictures, bool) else pictures(places[place], score)

        scorer = Scorer.of(inspector.detector_, inspector.preprocessing_, embedded=embedded)
        for item in scorer.score(manifest.only(places), pictures=pictures and wanted, strict=strict):
            yield replace(item, index=places[item.index])

    featured = _featured(inspector, total)
    others = sorted({*range(total)}.difference(featured))
    streams = [of(featured, embedded=True), *([of(others, embedded=False)] if others else [])]
    for done, item in enumerate(heapq.merge(*streams, key=lambda item: item.index), 1):
        yield item
        if progress is not None:
            progress(done, total)


def _featured(inspector: "Fitted", count: int) -> Sequence[int]:
    """Which of so many records are drawn by their features: all, or of many a few at random."""
    width = inspector.detector_.embed(torch.zeros(1, *inspector.options_["shape"])).shape[1]
    most = min(POINTS_IN_AN_EMBEDDING, max(2, NUMBERS_IN_AN_EMBEDDING // max(1, width)))
    if count <= most:
        return range(count)
    chosen: list[int] = np.sort(np.random.default_rng(0).choice(count, most, replace=False)).tolist()
    return chosen


def _with_recordings(inspector: "Fitted", manifest: Manifest, content: ReportContent) -> ReportContent:
    traces, notes = shown_recordings(inspector, manifest, content)
    windows = compared_windows(inspector, manifest, content)
    if windows is not None and traces:
        typical, worst = (replace(window, usual=traces[0].usual) for window in windows)
        windows = typical, worst
    return replace(content, traces=traces, windows=windows, data_notes=(*content.data_notes, *notes))


def _good_ones(manifest: Manifest) -> Manifest:
    """The records labelled good; all of them where none is."""
    good = tuple(record for record in manifest.records if record.label == 0)
    return replace(manifest, records=good or manifest.records)

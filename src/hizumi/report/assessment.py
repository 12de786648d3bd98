"""From a fitted inspector and labelled data to everything that a report shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hizumi.calibration import Calibration, Verdict
from hizumi.data import Failure, Manifest
from hizumi.data.masks import with_usable_masks
from hizumi.data.progress import Observer
from hizumi.errors import DataError
from hizumi.evaluation import Evaluator
from hizumi.evaluation.causal import CausalMeasures, causal_measures
from hizumi.evaluation.series import SeriesMeasures, series_measures
from hizumi.inspection import Inspector
from hizumi.inspection.verdicts import counted_notes
from hizumi.report.cases import case_groups
from hizumi.report.content import ReportContent, Tile
from hizumi.report.figures import POINTS_IN_AN_EMBEDDING
from hizumi.report.panels import thumbnail, tiles
from hizumi.report.recordings import compared_windows, shown_recordings

ROUNDING = 0.01  # far more than the company of other images in a batch changes a score, relative to it or the threshold
NUMBERS_IN_AN_EMBEDDING = 2**25
"""Features of all inputs together, of which images have many: 128 MiB."""


def assess(
    inspector: Inspector,
    manifest: Manifest,
    *,
    called: str | None = None,
    strict: bool = False,
    observe: Observer | None = None,
) -> ReportContent:
    """Inspect all records of a manifest and gather what a report shows; measured where records have labels.

    One map and one mask are in memory at a time: a few images are looked at once more, for their pictures. The detector
    is `called` by its own name where none is given.
    """
    masked = sum(record.mask is not None for record in manifest.records)
    manifest = inspector.preprocessing_.decoding(manifest)
    manifest = with_usable_masks(manifest, strict=strict)  # before the scoring, which takes much longer
    measured = _measured(inspector, manifest, strict, observe)
    refused = masked - sum(record.mask is not None for record in manifest.records) + len(measured.lost_masks)
    manifest = manifest.only(measured.read)
    is_labelled = any(record.label is not None for record in manifest.records)
    detector = called or inspector.options_["detector"]["name"]
    featured, features = _features(inspector, manifest)
    content = ReportContent(
        title=f"{detector} on {manifest.name}",
        subtitle=inspector.detector_.card.idea,
        detector=detector,
        verdicts=measured.verdicts,
        calibration=inspector.calibration_,
        evaluation=measured.evaluator.evaluation(inspector.calibration_, refused_masks=refused)
        if is_labelled
        else None,
        journal=inspector.journal_.records,
        findings=inspector.findings_,
        options=inspector.options_,
        features=features,
        featured=featured,
        data_notes=(*manifest.notes, *measured.lost_masks, *counted_notes(measured.verdicts)),
        failures=measured.failures,
        unopened=[(each.name, each.reason) for each in manifest.unopened],
        differences=inspector.preprocessing_.differences(_good_ones(manifest)),
    )
    if manifest.series is not None:
        measures, causal = measured.of_steps(inspector.calibration_, manifest.series.length)
        content = replace(content, measures=measures, causal=causal)
        return _with_recordings(inspector, manifest, content)
    cases, notes = _cases(inspector, manifest, content)
    return replace(content, cases=cases, data_notes=(*content.data_notes, *notes))


@dataclass
class _Measured:
    """Verdicts without their maps, the places of their records, and what was measured on the way."""

    evaluator: Evaluator
    verdicts: list[Verdict] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    # Of recordings, block by block: scores of steps, labels, and scores of the newest windows.
    steps: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    lost_masks: list[str] = field(default_factory=list)  # notes on those that could be read before the scoring

    def of_steps(self, calibration: Calibration, length: int) -> tuple[SeriesMeasures | None, CausalMeasures | None]:
        """Measures of steps and events, and of what is known at once; None without labels of steps."""
        if not self.steps:
            return None, None
        scores, labels, newest = (
            [np.concatenate([block[part] for block in blocks]) for blocks in self.steps.values()] for part in range(3)
        )
        threshold = calibration.threshold.value
        return series_measures(scores, labels, threshold, length), causal_measures(newest, labels, threshold, length)


def _measured(inspector: Inspector, manifest: Manifest, strict: bool, observe: Observer | None) -> _Measured:
    measured = _Measured(Evaluator(noun=manifest.noun))
    items = inspector.inspect_each(manifest, pictures=False, strict=strict, observe=observe)
    for index, item in enumerate(items):
        if isinstance(item, Failure):
            measured.failures.append((item.name, item.reason))
            continue
        record = manifest.records[index]
        mask, lost = (None, None) if item.map is None and item.inside is None else _mask(manifest, index)
        measured.lost_masks += [lost] if lost else []
        if record.row is not None and item.map is not None and item.newest is not None and mask is not None:
            measured.steps.setdefault(record.row, []).append((item.map[0], mask[0], item.newest))
        measured.evaluator.add(item, label=record.label, kind=record.kind, mask=mask)
        measured.verdicts.append(replace(item, map=None, inside=None, newest=None))
        measured.read.append(index)
    if not measured.verdicts:
        first = ": ".join(measured.failures[0])
        raise DataError(f"{manifest.name}: none of {len(manifest)} could be read; the first: {first}")
    return measured


def _mask(manifest: Manifest, index: int) -> tuple[np.ndarray | None, str | None]:
    """The mask of a record; a note where it could be read before, and is gone."""
    try:
        return manifest.read_mask(index), None
    except DataError as error:
        return None, f"{error}; it is left out of the pixel metrics"


def _features(inspector: Inspector, manifest: Manifest) -> tuple[Sequence[int], np.ndarray | None]:
    """The places whose features are drawn, and their features: of a few where there are many.

    Those that cannot be read again are left out; None where there is no other.
    """
    first = next((row for each in range(len(manifest)) for _, row in _read_again(inspector, manifest, [each])), None)
    if first is None:
        return (), None
    most = min(POINTS_IN_AN_EMBEDDING, max(2, NUMBERS_IN_AN_EMBEDDING // max(1, len(first))))
    chosen = np.arange(len(manifest))
    if len(chosen) > most:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, most, replace=False))
    places, rows = zip(*_read_again(inspector, manifest, chosen.tolist()), strict=True)
    return places, np.stack(rows)


def _read_again(inspector: Inspector, manifest: Manifest, places: Sequence[int]) -> list[tuple[int, np.ndarray]]:
    rows = zip(places, inspector.embed_each(manifest.only(places)), strict=True)
    return [(place, row) for place, row in rows if not isinstance(row, Failure)]


def _cases(
    inspector: Inspector, manifest: Manifest, content: ReportContent
) -> tuple[Mapping[int, Sequence[Tile]], Sequence[str]]:
    """Pictures of the verdicts that a report shows, by their places, and notes on those that are gone; none of rows."""
    if manifest.vectors:
        return {}, ()
    cases: dict[int, Sequence[Tile]] = {}
    notes = []
    for place in dict.fromkeys(place for group in case_groups(content) for place in group.places):
        (item,) = inspector.inspect_each(manifest.only([place]))
        if isinstance(item, Failure):
            notes.append(f"{item.name} was scored, but its picture could not be read again: {item.reason}")
            continue
        scale = max(abs(content.verdicts[place].score), abs(content.calibration.threshold.value))
        if abs(item.score - content.verdicts[place].score) > ROUNDING * scale:
            notes.append(f"{item.name} was scored, but is another picture now, which is not shown")
            continue
        shown = replace(item, boxes=content.verdicts[place].boxes)
        found = tiles(shown, content.calibration, _mask(manifest, place)[0])
        cases[place] = [replace(tile, pixels=thumbnail(tile.pixels)) for tile in found]
    return cases, notes


def _with_recordings(inspector: Inspector, manifest: Manifest, content: ReportContent) -> ReportContent:
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

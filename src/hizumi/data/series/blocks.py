"""Which stretches of recordings train, set the threshold, and are tested, and the blocks that these are judged in."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from hizumi.data.manifest import GOOD, Manifest, Record
from hizumi.data.series.dealing import Stretch, deal_stretches, whole_stretches
from hizumi.data.series.form import PART, Recording, SeriesForm, Steps
from hizumi.data.series.gaps import runs
from hizumi.data.series.overlaps import repeated, shared
from hizumi.errors import DataError, UsageError
from hizumi.shapes import Bool
from hizumi.storage.files import few

MOST_NAMED = 3
ANOMALOUS = "anomalous"  # kind of a block with such a step
WINDOWS_BEFORE = 3  # between what is learned from and an anomaly: a gap, and a block of what is tested as normal


def of_recordings(recordings: tuple[Recording, ...], form: SeriesForm, name: str) -> Manifest:
    """All blocks of recordings, those with a labelled step as anomalous; a recording's blocks are one group."""
    records = tuple(
        _record(recording, row, steps, recording.split)
        for row, recording in enumerate(recordings)
        for steps in form.blocks(Steps(0, len(recording)))
    )
    return Manifest(records, name=name, columns=form.columns, series=form, recordings=recordings)


def split_series(manifest: Manifest, calibration_share: float | None, seed: int) -> Manifest:
    """The stretches to train on, and the blocks that set the threshold and that are tested.

    Recordings keep the split that their place gives them. Of the others, and of training recordings where none is for
    calibration, stretches are dealt to train and to calibrate, with a gap of a window or more between them. What is
    labelled anomalous is tested, always: whole recordings where others without an anomaly are left to learn from, else
    all that comes from shortly before the first anomaly on. Raises DataError where nothing is left to learn from, and
    UsageError without a share for calibration, which only folds can do without.
    """
    if calibration_share is None:
        raise UsageError("--folds (`folds`) are for single images and rows, and these are series; leave them out")
    form, recordings = manifest.series, manifest.recordings
    assert form is not None, "series have a form"
    learned = _learned(recordings, form)
    notes: list[str] = []
    if any(each.split == "calibration" for each in recordings):
        dealt = [
            list(whole_stretches(length, form.length, held_out=each.split == "calibration"))
            for each, length in zip(recordings, learned, strict=True)
        ]
    else:
        _refuse_nothing_learned(manifest, learned, form)
        pieces, notes = _held_once(recordings, learned, form)
        try:
            stretches = deal_stretches([len(steps) for _, steps in pieces], form.length, calibration_share, seed)
        except DataError as error:
            before = _before_anomalies(recordings, learned, form)
            raise DataError(f"{manifest.name}: {before}{error}{_on_parts(recordings)}") from error
        dealt = [[] for _ in recordings]
        for (row, steps), those in zip(pieces, stretches, strict=True):
            dealt[row] += [stretch.after(steps.start) for stretch in those]
    records: list[Record] = []
    for row, recording in enumerate(recordings):
        for stretch in dealt[row]:
            records += _of_stretch(recording, row, stretch, form)
        start = learned[row] + form.length if learned[row] else 0
        if learned[row] < len(recording):
            records += (_record(recording, row, steps, "test") for steps in form.blocks(Steps(start, len(recording))))
    _refuse_too_short(manifest, records, form)
    return replace(manifest, records=tuple(records), notes=(*manifest.notes, *notes))


def joined(manifest: Manifest) -> Manifest:
    """Blocks of a series that follow one another in one recording and split as one stretch; other data as they are.

    Cut apart, the windows that cover the end of one and the beginning of the next would be lost.
    """
    records: list[Record] = []
    for record in manifest.records:
        last = records[-1] if records else None
        steps = None if last is None else _together(last, record)
        if last is None or steps is None:
            records.append(record)
        else:
            records[-1] = replace(last, name=f"{last.group} {steps.start}:{steps.stop}", steps=steps)
    return replace(manifest, records=tuple(records))


def _together(last: Record, record: Record) -> Steps | None:
    """The steps of two stretches of which the second begins where the first ends; None where it does not."""
    if last.steps is None or record.steps is None or last.steps.stop != record.steps.start:
        return None
    is_alike = (record.row, record.split, record.kind) == (last.row, last.split, last.kind)
    return Steps(last.steps.start, record.steps.stop) if is_alike else None


def refuse_copies(manifest: Manifest) -> None:
    """Raise DataError where two recordings of different splits are equal."""
    seen: dict[str, tuple[int, Record]] = {}
    for record in manifest.records:
        if record.row is None:
            continue
        row, first = seen.setdefault(manifest.recording_hash(record.row), (record.row, record))
        if row != record.row and first.split != record.split:
            raise DataError(
                f"{first.group} ({first.split}) and {record.group} ({record.split}) are equal; keep each recording in "
                "one split, so that no detector is tested on what it has seen"
            )


def notes_on_shared_steps(manifest: Manifest) -> tuple[str, ...]:
    """Notes on steps that set the threshold, or are tested, and were learned from in another recording."""
    form = manifest.series
    assert form is not None, "series have a form"
    notes = []
    for known, judged, consequence in (
        (("train",), "calibration", "what sets the threshold has been learned from, and more is flagged than promised"),
        (("train", "calibration"), "test", "what is measured on them is too good"),
    ):
        masks = _steps_of(manifest, known), _steps_of(manifest, (judged,))
        found = [
            f"{recording.name} {start}:{stop}"
            for recording, steps in zip(
                manifest.recordings, shared(manifest.recordings, *masks, form.length), strict=True
            )
            for start, stop in runs(steps)
        ]
        if found:
            what = f"steps for {judged} that a recording for {' or '.join(known)} has, too"
            notes.append(f"{what}: {few(found, MOST_NAMED)}; {consequence}: keep what overlaps in one split")
    return tuple(notes)


def _steps_of(manifest: Manifest, splits: Collection[str]) -> list[Bool[np.ndarray, "..."]]:
    """For each recording, which of its steps are in these splits."""
    masks = [np.zeros(len(recording), dtype=bool) for recording in manifest.recordings]
    for record in manifest.records:
        if record.split in splits and record.row is not None and record.steps is not None:
            masks[record.row][record.steps.start : record.steps.stop] = True
    return masks


def _learned(recordings: Sequence[Recording], form: SeriesForm) -> list[int]:
    """How many steps of each recording, from its beginning, may be learned from."""
    firsts = [
        len(each) if each.anomalous is None or not each.anomalous.any() else int(each.anomalous.argmax())
        for each in recordings
    ]
    whole = [each.split != "test" and first == len(each) for each, first in zip(recordings, firsts, strict=True)]
    if any(whole):
        return [len(each) if is_whole else 0 for each, is_whole in zip(recordings, whole, strict=True)]
    return [
        0 if each.split == "test" else max(0, first - WINDOWS_BEFORE * form.length)
        for each, first in zip(recordings, firsts, strict=True)
    ]


def _held_once(
    recordings: Sequence[Recording], learned: Sequence[int], form: SeriesForm
) -> tuple[list[tuple[int, Steps]], list[str]]:
    """What may be learned from, by the number of its recording, each step in one of them alone; a note on others."""
    pieces, left_out = [], []
    for row, again in enumerate(repeated(recordings, learned, form.length)):
        pieces += [(row, Steps(*run)) for run in runs(~again)] if learned[row] else [(row, Steps(0, 0))]
        left_out += [f"{recordings[row].name} {start}:{stop}" for start, stop in runs(again)]
    what = "steps that a recording before has, too, are left out, so that none sets the threshold that was learned from"
    return pieces, [f"{what}: {few(left_out, MOST_NAMED)}"] if left_out else []


def _refuse_nothing_learned(manifest: Manifest, learned: Sequence[int], form: SeriesForm) -> None:
    if any(learned):
        return
    if all(each.split == "test" for each in manifest.recordings):
        reason = "all recordings are for tests"
    else:
        before = WINDOWS_BEFORE * form.length
        reason = f"every recording has a step labelled anomalous among its first {before + 1}"
    raise DataError(f"{manifest.name}: nothing is left to learn from, as {reason}; give one of normal operation")


def _before_anomalies(recordings: Sequence[Recording], learned: Sequence[int], form: SeriesForm) -> str:
    """What shortened the recordings that are learned from, where anything has."""
    if all(steps in (0, len(each)) for each, steps in zip(recordings, learned, strict=True)):
        return ""
    return f"up to {WINDOWS_BEFORE * form.length} steps before what is labelled anomalous, "


def _on_parts(recordings: Sequence[Recording]) -> str:
    """What helps where recordings are short since time stamps break off in them."""
    parts = sum(PART in each.name for each in recordings)
    if not parts:
        return ""
    return (
        f"; of these, {parts} are parts of a source that is split where its time stamps break off: where they are "
        "merely uneven, leave their column out (--ignore), so that steps are counted"
    )


def _of_stretch(recording: Recording, row: int, stretch: Stretch, form: SeriesForm) -> Iterator[Record]:
    """A stretch to train on as one record; one that sets the threshold in blocks, of which none is shorter."""
    steps = Steps(stretch.start, stretch.stop)
    if len(steps) < form.length:
        return
    if stretch.split == "train":
        yield _record(recording, row, steps, stretch.split)
        return
    for block in form.blocks(steps):
        if len(block) == form.block:
            yield _record(recording, row, block, stretch.split)


def _record(recording: Recording, row: int, steps: Steps, split: str | None) -> Record:
    is_anomalous = recording.anomalous is not None and bool(recording.anomalous[steps.start : steps.stop].any())
    return Record(
        f"{recording.name} {steps.start}:{steps.stop}",
        (recording.kind or ANOMALOUS) if is_anomalous else GOOD,
        int(is_anomalous),
        split,
        recording.name,
        row=row,
        steps=steps,
    )


def _refuse_too_short(manifest: Manifest, records: Sequence[Record], form: SeriesForm) -> None:
    splits = {record.split for record in records}
    if {"train", "calibration"} <= splits:
        return
    longest = max(map(len, manifest.recordings))
    missing = "learn from" if "train" not in splits else "set the threshold"
    raise DataError(
        f"{manifest.name}: nothing is left to {missing}: its longest recording has {longest} steps, a window "
        f"{form.length} and a block of the threshold {form.block}; give longer ones, or shorter windows (--length)"
    )

"""Which recordings and windows a report on series draws, inspected once more for what was expected of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hizumi.data import Failure, Manifest
from hizumi.data.series.form import Steps
from hizumi.report.cases import case_groups
from hizumi.report.content import NORMAL, ReportContent
from hizumi.report.traces import Trace, by_recording, finished_traces, with_usual

if TYPE_CHECKING:
    from hizumi.inspection.loaded import Fitted

RECORDINGS_SHOWN = 6


def shown_recordings(inspector: "Fitted", manifest: Manifest, content: ReportContent) -> tuple[list[Trace], list[str]]:
    """The recordings of the cases worth a look, in the order of these, and notes on blocks that are gone."""
    cases = by_recording(manifest, (place for group in case_groups(content) for place in group.places))
    places = by_recording(manifest, range(len(manifest)))
    traces, notes = [], []
    for row in list(cases)[:RECORDINGS_SHOWN]:
        trace, said = _trace(inspector, manifest, places[row])
        traces += [] if trace is None else [trace]
        notes += said
    return with_usual(traces), notes


def compared_windows(inspector: "Fitted", manifest: Manifest, content: ReportContent) -> tuple[Trace, Trace] | None:
    """The middle of a good block with the middle score, and the worst window of all; None of fewer than two blocks."""
    form = manifest.series
    assert form is not None, "series have a form"
    scores, labels = np.array([verdict.score for verdict in content.verdicts]), content.labels
    alarmed = np.array([verdict.anomalous for verdict in content.verdicts])
    whole = np.array([len(record.steps or ()) == form.block for record in manifest.records])
    worst = int(scores.argmax())
    others = np.arange(len(scores)) != worst
    choices = [others & whole & (labels == NORMAL) & ~alarmed, others & whole & (labels == NORMAL), others & whole]
    good = next((np.flatnonzero(each) for each in choices if each.any()), None)
    if good is None:
        return None
    typical = int(good[np.argsort(scores[good], kind="stable")[len(good) // 2]])
    pair = [_trace(inspector, manifest, [place])[0] for place in (typical, worst)]
    if pair[0] is None or pair[1] is None:
        return None
    centres = len(pair[0]) // 2, int(np.nanargmax(pair[1].scores))
    first, second = (
        _around(trace, centre, form.length) for trace, centre in zip(pair, centres, strict=True) if trace is not None
    )
    return first, second


def _trace(inspector: "Fitted", manifest: Manifest, places: Sequence[int]) -> tuple[Trace | None, list[str]]:
    own = manifest.only(places)
    ((items, trace),) = finished_traces(inspector.inspect_each(own), own, inspector)
    gone = [item for item in items if isinstance(item, Failure)]
    return trace, [f"{item.name} was scored, but its picture could not be read again: {item.reason}" for item in gone]


def _around(trace: Trace, centre: int, length: int) -> Trace:
    start = max(0, min(centre - length // 2, len(trace) - length))
    return trace.cut(Steps(start, min(start + length, len(trace))))

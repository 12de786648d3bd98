"""Recordings as pictures show them: the values, what was expected of them, and the scores, step by step."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Bool, Float, Integer

from hizumi.calibration import Verdict
from hizumi.data import Failure, Manifest
from hizumi.data.scaling import Scaler
from hizumi.data.series.form import Steps
from hizumi.inspection.verdicts import InspectorBase
from hizumi.report.envelopes import runs_of

FEWEST_QUIET = 50  # steps from which follows what is usual
SMALLEST_USUAL = 1e-3  # standard deviations, or of the channels' mean share: what is less is not told apart


class Judged(NamedTuple):
    """What was said of one block: its steps' scores, what the detector expects, in the data's units, and the shares."""

    scores: Float[np.ndarray, "t"]
    expected: Float[np.ndarray, "t c"] | None = None
    shares: Float[np.ndarray, "t c"] | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """From the verdict on a block."""
        assert verdict.map is not None, "a block has scores of its steps"
        return cls(verdict.map[0], verdict.expected, verdict.shares)


@dataclass(frozen=True, eq=False)
class Trace:
    """A stretch of a recording, from step `start` on, with its scores.

    Scores, expected values and shares are NaN at steps that were not judged; `expected` is None where the detector
    expects nothing, `shares` of the score where it has none. `scaler` gives the channels' units: a standard deviation
    of the training data. `usual` is what each channel usually contributes, None where that is not known.
    """

    name: str
    columns: tuple[str, ...]
    start: int
    values: Float[np.ndarray, "t c"]
    scores: Float[np.ndarray, "t"]
    threshold: float
    scaler: Scaler
    times: Integer[np.ndarray, "t"] | None = None  # nanoseconds since 1970
    labelled: Bool[np.ndarray, "t"] | None = None
    expected: Float[np.ndarray, "t c"] | None = None
    shares: Float[np.ndarray, "t c"] | None = None
    usual: Float[np.ndarray, "c"] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def over(self) -> Bool[np.ndarray, "t"]:
        """Steps whose score lies over the threshold."""
        return np.asarray(self.scores > self.threshold)

    @property
    def alarms(self) -> list[Steps]:
        """Runs of such steps, counted from the first of the trace."""
        return runs_of(self.over)

    @property
    def events(self) -> list[Steps]:
        """Runs of steps labelled anomalous, counted from the first of the trace."""
        return [] if self.labelled is None else runs_of(self.labelled)

    @property
    def contributions(self) -> Float[np.ndarray, "t c"] | None:
        """Each channel's share of the score, as a multiple of what is usual for it, or as it is where that is unknown.

        Where the score has no shares, how far the channel lies from what is expected, in standard deviations of the
        training data, or as such a multiple; None where nothing is expected.
        """
        if self.shares is not None:
            found = self.shares
        elif self.expected is not None:
            found = np.abs(self.scaler.standardise(self.values) - self._standardised(self.expected))
        else:
            return None
        return found if self.usual is None else found / self.usual

    @property
    def unit(self) -> str:
        """Of the contributions, in words."""
        if self.usual is not None:
            return "multiples of what is usual for them"
        return "standard deviations" if self.shares is None else "shares of the score"

    @property
    def distances(self) -> Float[np.ndarray, "t c"]:
        """The contributions, or where there are none how far each channel lies from its mean in the training data."""
        found = self.contributions
        return np.abs(self.scaler.standardise(self.values)) if found is None else found

    @property
    def by_distance(self) -> list[int]:
        """Channels, the one that lies farthest off at the steps of the alarms first; of no alarm, at the worst step."""
        chosen = self.over
        if not chosen.any():
            chosen = self.scores == np.nanmax(self.scores)
        return np.argsort(-self.distances[chosen].mean(0), kind="stable").tolist()

    def cut(self, steps: Steps) -> "Trace":
        """A part of it, by steps counted from its first."""
        own = slice(*steps)
        return replace(
            self,
            start=self.start + steps.start,
            values=self.values[own],
            scores=self.scores[own],
            times=None if self.times is None else self.times[own],
            labelled=None if self.labelled is None else self.labelled[own],
            expected=None if self.expected is None else self.expected[own],
            shares=None if self.shares is None else self.shares[own],
        )

    def _standardised(self, values: Float[np.ndarray, "t c"]) -> Float[np.ndarray, "t c"]:
        """With NaN kept, which the scaler fills by the mean."""
        return np.where(np.isnan(values), np.nan, self.scaler.standardise(values))


def with_usual(traces: Sequence[Trace]) -> list[Trace]:
    """Recordings that know what is usual for a channel: its mean contribution at their steps without alarm or label.

    A channel that is noise lies far from what is expected at any time, and says nothing of an alarm. As they are where
    there are few such steps.
    """
    quiet = [
        each[np.isfinite(trace.scores) & ~trace.over & ~(False if trace.labelled is None else trace.labelled)]
        for trace in traces
        if (each := trace.contributions) is not None
    ]
    if sum(map(len, quiet)) < FEWEST_QUIET:
        return list(traces)
    usual = np.concatenate(quiet).mean(0)
    unit = 1.0 if traces[0].shares is None else max(float(usual.mean()), np.finfo(float).tiny)
    usual = np.maximum(usual, SMALLEST_USUAL * unit)
    return [replace(trace, usual=usual) for trace in traces]


def trace_of(manifest: Manifest, judged: Mapping[int, Judged], scaler: Scaler, threshold: float) -> Trace:
    """One recording from the first to the last step judged; `judged` has its blocks by their places in the manifest."""
    recording = manifest.recording(next(iter(judged)))
    blocks = {_steps(manifest, place): said for place, said in judged.items()}
    first, last = min(steps.start for steps in blocks), max(steps.stop for steps in blocks)
    values = recording.values[first:last]
    scores = _joined({steps: said.scores for steps, said in blocks.items()}, values.shape[:1], first)
    expected = {steps: said.expected for steps, said in blocks.items() if said.expected is not None}
    shares = {steps: said.shares for steps, said in blocks.items() if said.shares is not None}
    return Trace(
        recording.name,
        manifest.columns,
        first,
        values,
        scores,
        threshold,
        scaler,
        times=None if recording.times is None else recording.times[first:last],
        labelled=None if recording.anomalous is None else recording.anomalous[first:last],
        expected=_joined(expected, values.shape, first) if expected else None,
        shares=_joined(shares, values.shape, first) if shares else None,
    )


def _joined(parts: Mapping[Steps, np.ndarray], shape: tuple[int, ...], first: int) -> np.ndarray:
    """What is known of stretches, one after the other from step `first` on; NaN elsewhere."""
    whole = np.full(shape, np.nan)
    for steps, part in parts.items():
        whole[steps.start - first : steps.stop - first] = part
    return whole


def finished_traces(
    items: Iterable[Verdict | Failure], manifest: Manifest, inspector: InspectorBase
) -> Iterator[tuple[list[Verdict | Failure], Trace | None]]:
    """What was said of the blocks of each recording in turn, and its trace; None where no block could be read."""
    scaler, threshold = inspector.preprocessing_.scaler, inspector.calibration_.threshold.value
    assert scaler is not None, "series have a scaler"
    for _, blocks in groupby(enumerate(items), key=lambda pair: manifest.records[pair[0]].row):
        said = dict(blocks)
        judged = {place: Judged.of(item) for place, item in said.items() if isinstance(item, Verdict)}
        yield list(said.values()), trace_of(manifest, judged, scaler, threshold) if judged else None


def by_recording(manifest: Manifest, places: Iterable[int]) -> dict[int, list[int]]:
    """The places of blocks for each recording, by its number, in the order in which these come first."""
    found: dict[int, list[int]] = {}
    for place in places:
        row = manifest.records[place].row
        assert row is not None, "a block has a recording"
        found.setdefault(row, []).append(place)
    return found


def _steps(manifest: Manifest, place: int) -> Steps:
    steps = manifest.records[place].steps
    assert steps is not None, "a record of series is a stretch"
    return steps

"""Which inputs a report shows: wrong decisions first, then right ones."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hizumi.calibration import Calibration
from hizumi.report.content import ANOMALOUS, NORMAL, ReportContent

EXAMPLES_IN_A_GROUP = 6


class Judged(NamedTuple):
    """What is known of an input when it is chosen for a group."""

    place: int
    score: float
    anomalous: bool  # by its verdict
    label: int
    kind: str


@dataclass(frozen=True)
class CaseGroup:
    """Places of the verdicts under one title, and the number of inputs that they were taken from."""

    title: str
    remark: str
    places: list[int]
    total: int


def case_groups(content: ReportContent, limit: int = EXAMPLES_IN_A_GROUP) -> Iterator[CaseGroup]:
    """Groups of at most `limit` inputs; those of a lower limit are among them. Pictures are not looked at."""
    known = zip(content.verdicts, content.labels.tolist(), content.kinds, strict=True)
    judged = [
        Judged(place, verdict.score, verdict.anomalous, label, kind)
        for place, (verdict, label, kind) in enumerate(known)
    ]
    if content.evaluation is None:
        return _unlabelled(judged, limit)
    dark = ": their maps should be dark." if content.has_maps else "."
    return _labelled(judged, content.calibration, limit, f"Typical good {content.noun}s", dark)


class Candidates:
    """Of inputs that are judged one by one, those that a report of all so far would show.

    More inputs only push others out of a group: what is not shown now will not be later.
    """

    def __init__(self, calibration: Calibration, *, is_labelled: bool) -> None:
        self._calibration = calibration
        self._is_labelled = is_labelled
        self._shown: dict[int, Judged] = {}

    def admit(self, judged: Judged) -> bool:
        """Whether this one is shown, too, beside the others or in place of some."""
        among = self._shown | {judged.place: judged}
        groups = _labelled(among.values(), self._calibration) if self._is_labelled else _unlabelled(among.values())
        self._shown = {place: among[place] for group in groups for place in group.places}
        return judged.place in self._shown

    def __contains__(self, place: int) -> bool:
        return place in self._shown


def _unlabelled(judged: Iterable[Judged], limit: int = EXAMPLES_IN_A_GROUP) -> Iterator[CaseGroup]:
    falling = sorted(judged, key=lambda each: (-each.score, each.place))
    flagged = [each.place for each in falling if each.anomalous]
    yield CaseGroup("Most anomalous", "Flagged; the highest scores first.", flagged[:limit], len(flagged))
    nearest = [each.place for each in falling if not each.anomalous][: limit // 2]
    yield CaseGroup("Closest to an alarm", "Not flagged; the highest scores first.", nearest, len(nearest))


def _labelled(
    judged: Iterable[Judged],
    calibration: Calibration,
    limit: int = EXAMPLES_IN_A_GROUP,
    typical: str = "",
    of_typical: str = "",
) -> Iterator[CaseGroup]:
    rising = sorted(judged, key=lambda each: (each.score, each.place))
    bad, good = ([each for each in rising if each.label == label] for label in (ANOMALOUS, NORMAL))

    def group(title: str, remark: str, chosen: list[Judged]) -> CaseGroup:
        return CaseGroup(title, remark, [each.place for each in chosen[:limit]], len(chosen))

    missed = [each for each in bad if not each.anomalous]
    yield group("Worst misses", "Anomalous, but not flagged; the lowest scores first.", missed)
    alarms = [each for each in reversed(good) if each.anomalous]
    yield group("Worst false alarms", "Good, but flagged; the highest scores first.", alarms)
    found = _in_turn(each for each in reversed(bad) if each.anomalous)
    yield group("Clearest finds", "Each kind of defect in turn, the highest scores first.", found)
    middle = float(np.median(calibration.scores))
    quiet = sorted((each for each in good if not each.anomalous), key=lambda each: abs(each.score - middle))
    remark = f"With scores nearest to the middle one of those held out{of_typical}"
    yield group(typical, remark, quiet[: limit // 3])


def _in_turn(judged: Iterable[Judged]) -> list[Judged]:
    """The first of each kind first, then the second of each kind, and so on."""
    seen = Counter[str]()
    turns: list[tuple[int, Judged]] = []
    for each in judged:
        turns.append((seen[each.kind], each))
        seen[each.kind] += 1
    return [each for _, each in sorted(turns, key=lambda turn: turn[0])]

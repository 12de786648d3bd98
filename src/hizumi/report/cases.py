"""Which inputs a report shows: wrong decisions first, then right ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from hizumi.report.content import ANOMALOUS, NORMAL, ReportContent

EXAMPLES_IN_A_GROUP = 6


@dataclass(frozen=True)
class CaseGroup:
    """Places of the verdicts under one title, and the number of inputs that they were taken from."""

    title: str
    remark: str
    places: list[int]
    total: int


def case_groups(content: ReportContent, limit: int = EXAMPLES_IN_A_GROUP) -> Iterator[CaseGroup]:
    """Groups of at most `limit` inputs; those of a lower limit are among them. Pictures are not looked at."""
    labels, scores = content.labels, np.array([verdict.score for verdict in content.verdicts])
    alarmed = np.array([verdict.anomalous for verdict in content.verdicts], dtype=bool)
    rising = np.argsort(scores, kind="stable")
    falling = rising[::-1]

    def group(title: str, remark: str, places: Int[np.ndarray, "n"]) -> CaseGroup:
        return CaseGroup(title, remark, places[:limit].tolist(), len(places))

    if content.evaluation is None:
        yield group("Most anomalous", "Flagged; the highest scores first.", falling[alarmed[falling]])
        nearest = falling[~alarmed[falling]]
        yield group("Closest to an alarm", "Not flagged; the highest scores first.", nearest[: limit // 2])
        return
    missed = rising[(labels[rising] == ANOMALOUS) & ~alarmed[rising]]
    yield group("Worst misses", "Anomalous, but not flagged; the lowest scores first.", missed)
    false_alarms = falling[(labels[falling] == NORMAL) & alarmed[falling]]
    yield group("Worst false alarms", "Good, but flagged; the highest scores first.", false_alarms)
    found = falling[(labels[falling] == ANOMALOUS) & alarmed[falling]]
    yield group("Clearest finds", "Each kind of defect in turn, the highest scores first.", _in_turn(found, content))
    quiet = rising[(labels[rising] == NORMAL) & ~alarmed[rising]]
    middle = max(len(quiet) // 2 - 1, 0)
    remark = "With the middle scores: their maps should be dark." if content.has_maps else "With the middle scores."
    yield group(f"Typical good {content.noun}s", remark, quiet[middle : middle + limit // 3])


def _in_turn(places: Int[np.ndarray, "n"], content: ReportContent) -> Int[np.ndarray, "n"]:
    """Reorder so that the first of each kind come first, then the second of each kind, and so on."""
    seen: dict[str, int] = {}
    turns = []
    kinds = content.kinds
    for place in places.tolist():
        turns.append(seen.setdefault(kinds[place], 0))
        seen[kinds[place]] += 1
    return places[np.argsort(turns, kind="stable")] if turns else places

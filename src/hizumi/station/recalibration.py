"""Another threshold for the same detector, from what people said of its verdicts: shown before, applied, undone.

Pictures that were accepted as good join the held-out ones; they never train. Each state is a bundle of its own, which
names the one before.
"""

import tempfile
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.calibration import Calibration, Costs, Statement, Threshold
from hizumi.errors import UsageError
from hizumi.station.calibrated_bundle import CalibratedBundle
from hizumi.station.evidence import RECALIBRATED, UNDONE, Consequences, Evidence
from hizumi.station.guarantee import guarantee
from hizumi.station.joining import Join, Joining
from hizumi.station.log import AuditEvent, Log
from hizumi.station.log.records import now
from hizumi.station.shelf import Shelf

LISTED = 1000  # inspections whose verdict would change


@dataclass(frozen=True)
class Choice:
    """What to change; raises UsageError where two things would set the threshold.

    Attributes:
        join: Which accepted good pictures join the held-out ones: of the random audit sample alone, all that were
            reviewed, none, or those that have joined before ("keep"). Reviewed defects become known with the first two.
        rule, false_alarm_rate: None: as before.
        threshold: One of one's own, in units of the score.
        costs: Let the known defects set the threshold of the lowest expected cost.
    """

    join: Join = "sample"
    rule: str | None = None
    false_alarm_rate: float | None = None
    threshold: float | None = None
    costs: Costs | None = None

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.rule, self.threshold, self.costs)) > 1:
            raise UsageError("a rule, a threshold of your own and costs each set the threshold; give one of them")


@dataclass(frozen=True, eq=False)
class Preview:
    """What a choice would do, and what its threshold would promise.

    `changed` are the newest inspections, at most 1,000, whose verdict would be another than by the threshold in use;
    `guarantee` is in sentences. `of_reviewed` and `of_sample` say what becomes of reviewed parts, before and after: of
    all of them, which people chose, and of the audit sample, which stands for the line.
    """

    parent: str
    before: Threshold
    after: Threshold
    held_out_before: int
    held_out_after: int
    joining: Joining
    past: int
    would_be_good: int
    would_be_anomalous: int
    changed: tuple[str, ...]
    of_reviewed: tuple[Consequences, Consequences]
    of_sample: tuple[Consequences, Consequences]
    sample_waiting: int
    guarantee: tuple[Statement, ...]
    calibration: Calibration = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without the scores."""
        plain = {name: value for name, value in vars(self).items() if name not in ("calibration", "joining")}
        plain |= {name: plain[name].to_dict() for name in ("before", "after")}
        plain |= {name: [asdict(each) for each in plain[name]] for name in ("of_reviewed", "of_sample")}
        plain["guarantee"] = [asdict(each) for each in self.guarantee]
        joined = {"good": len(self.joining.good), "chosen": self.joining.chosen, "defects": len(self.joining.defects)}
        return plain | {"joined": joined}


@dataclass(frozen=True)
class State:
    """A state of a recipe: the bundle's file, its SHA-256, and that of the bundle that it came after.

    `note` is for the audit trail, to be written down where the state is put to work.
    """

    path: Path
    sha256: str
    before: str
    note: AuditEvent


def preview(
    log: Log,
    bundle: Path,
    choice: Choice,
    *,
    recipe: str,
    views: int = 1,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Preview:
    """What a choice would do to the past verdicts of a recipe, whose parts have so many views.

    Of those in a time where one is given.
    """
    calibrated = CalibratedBundle.read(bundle)
    evidence = Evidence.gathered(log, recipe, calibrated.sha256, since, until)
    return foreseen(calibrated, evidence, choice, views)


def foreseen(bundle: CalibratedBundle, evidence: Evidence, choice: Choice, views: int = 1) -> Preview:
    """The preview, of evidence that has been gathered."""
    joining = Joining.of(bundle, evidence, choice.join)
    if choice.costs is not None and joining.defect_scores(bundle) is None:
        raise UsageError("costs set the limit by known defects, and there are none: review some as defects first")
    scores, maxima = joining.good_scores(bundle), joining.pixel_maxima(bundle)
    calibration = bundle.calibration.joined(scores, maxima, chosen=joining.chosen).with_(
        rule=choice.rule,
        false_alarm_rate=choice.false_alarm_rate,
        threshold=choice.threshold,
        costs=choice.costs,
        defect_scores=joining.defect_scores(bundle),
        defect_groups=joining.defect_units(bundle),
    )
    before, after = bundle.calibration.threshold, calibration.threshold
    flagged_before, flagged_after = evidence.scores > before.value, evidence.scores > after.value
    changed = np.flatnonzero(flagged_before != flagged_after)
    reviewed = list(evidence.reviewed)
    sampled = [each for each in reviewed if each.sampled]
    limits = (before.value, after.value)
    return Preview(
        parent=bundle.sha256,
        before=before,
        after=after,
        held_out_before=len(bundle.calibration.scores),
        held_out_after=len(calibration.scores),
        joining=joining,
        past=len(evidence.ids),
        would_be_good=int((flagged_before & ~flagged_after).sum()),
        would_be_anomalous=int((~flagged_before & flagged_after).sum()),
        changed=tuple(evidence.ids[place] for place in changed[:LISTED].tolist()),
        of_reviewed=(Consequences.of(limits[0], reviewed), Consequences.of(limits[1], reviewed)),
        of_sample=(Consequences.of(limits[0], sampled), Consequences.of(limits[1], sampled)),
        sample_waiting=evidence.sample_waiting,
        guarantee=guarantee(calibration, joining, evidence, bundle.noun, views),
        calibration=calibration,
    )


def apply(
    log: Log,
    shelf: Shelf,
    bundle: Path,
    choice: Choice,
    *,
    recipe: str,
    who: str,
    why: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> State:
    """Put the bundle that a choice makes, and the one before, on the shelf; who did it and why is in the state's note.

    Raises UsageError where nothing would change, or nobody says who or why.
    """
    _refuse_unsigned(who, why)
    calibrated = CalibratedBundle.read(bundle)
    evidence = Evidence.gathered(log, recipe, calibrated.sha256, since, until)
    found = foreseen(calibrated, evidence, choice)
    if _is_same(calibrated.calibration, found.calibration):
        raise UsageError("this would change nothing; review more, or choose another rate")
    recalibrated = {
        "parent": calibrated.sha256,
        "at": now().isoformat(),
        "chosen": found.joining.chosen,
        "good": dict(found.joining.good),
        "defects": dict(found.joining.defects),
        "defect_parts": found.joining.defect_parts,
    }
    with tempfile.TemporaryDirectory() as folder:
        written = calibrated.write(Path(folder) / "recalibrated.hizumi", found.calibration, recalibrated)
        shelf.put(bundle)
        path = shelf.path(shelf.put(written))
    details = {"join": choice.join, "good": len(found.joining.good), "chosen": found.joining.chosen}
    return _state(RECALIBRATED, calibrated, path, {"recipe": recipe, **details}, who, why)


def undo(shelf: Shelf, bundle: Path, *, recipe: str, who: str, why: str) -> State:
    """Go back to the bundle that this one was recalibrated from; who did it and why is in the state's note.

    Raises UsageError where it was not recalibrated, or the one before is not on the shelf.
    """
    _refuse_unsigned(who, why)
    current = CalibratedBundle.read(bundle)
    if "recalibrated" not in current.options:
        raise UsageError("this bundle is as it was fitted; there is nothing to undo")
    path = shelf.path(str(current.options["recalibrated"]["parent"]))
    shelf.put(bundle)
    return _state(UNDONE, current, path, {"recipe": recipe}, who, why)


def _state(what: str, before: CalibratedBundle, path: Path, details: dict[str, Any], who: str, why: str) -> State:
    """The state in a file, with the one before in its note."""
    after = CalibratedBundle.read(path)
    thresholds = (before.calibration.threshold, after.calibration.threshold)
    details |= {"before": before.sha256, "after": after.sha256, "words": thresholds[1].words}
    details |= {"said": [asdict(each) for each in after.calibration.statements(after.noun)]}
    details |= {"threshold_before": thresholds[0].value, "threshold_after": thresholds[1].value}
    return State(path, after.sha256, before.sha256, AuditEvent(who, what, why, details))


def _is_same(before: Calibration, after: Calibration) -> bool:
    defects = (before.defect_scores, after.defect_scores)
    same_defects = defects[0] is defects[1] or (
        defects[0] is not None and defects[1] is not None and np.array_equal(defects[0], defects[1])
    )
    return before.threshold == after.threshold and np.array_equal(before.scores, after.scores) and same_defects


def _refuse_unsigned(who: str, why: str) -> None:
    if not who.strip() or not why.strip():
        raise UsageError("a change of the threshold is written down: say who makes it, and why")

"""A watch over one recipe at a station: it says when pictures or scores have drifted, and what has moved."""

import math
import uuid
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any, Self

import numpy as np

from hizumi.calibration.spread import FEWEST_GROUPS, SUBGROUP
from hizumi.data.appearance import Look
from hizumi.errors import BundleError, DataError, UsageError
from hizumi.monitoring import words
from hizumi.monitoring.alarm import SURE, Acknowledgement, DriftAlarm, Moved
from hizumi.monitoring.alarms import Alarms, News
from hizumi.monitoring.baseline import Baseline
from hizumi.monitoring.drawing import ChartState
from hizumi.monitoring.limits import CHARTS
from hizumi.monitoring.looks import LookWatch
from hizumi.monitoring.measure import NEWEST, MeasureCharts, Signal
from hizumi.monitoring.ranks import SET_ASIDE
from hizumi.monitoring.records import BaselineChange, Row, WatchStatus
from hizumi.monitoring.scores import ScoreWatch
from hizumi.monitoring.settings import WatchSettings

REMEMBERED_CHANGES = 100


class DriftWatch:
    """Watches pictures in the order in which they are taken; safe to use from several threads.

    False alarms come once in `settings.run_length` good pictures on average, of all charts together (`limits` says
    how); the test of p-values (`martingale`) beside them never gives any with a probability of 1 - `settings.ever`,
    counted from each start: that of the watch, of a new baseline, and after its own alarms. Both take good scores to
    be exchangeable, and measures of pictures to wander no more slowly than over a twentieth of the good pictures that
    were learned from, in the order of time; `status` names those that did. What the baseline lacks is learned from the
    first pictures, and not watched until then; pictures that are very unusual are not learned from unless most of them
    are.
    """

    def __init__(self, baseline: Baseline, settings: WatchSettings | None = None) -> None:
        self.settings = WatchSettings() if settings is None else settings
        self.pictures = 0
        self._lock = RLock()
        self._alarms = Alarms(timedelta(minutes=self.settings.quiet_minutes))
        self._changes: deque[BaselineChange] = deque(maxlen=REMEMBERED_CHANGES)
        self._rows: deque[Row] = deque(maxlen=2 * self.settings.learning_pictures)
        self._learning_since: datetime | None = None
        self._arm(baseline)

    @property
    def alarms(self) -> tuple[DriftAlarm, ...]:
        """The last alarms, oldest first."""
        with self._lock:
            return tuple(self._alarms)

    @property
    def changes(self) -> tuple[BaselineChange, ...]:
        """The last new normals, oldest first."""
        with self._lock:
            return tuple(self._changes)

    @property
    def status(self) -> WatchStatus:
        """What is watched, and what is still being learned."""
        with self._lock:
            learned, needed = self._learned(), self.settings.learning_pictures
            said = []
            if self._scores or self._looks:
                tested = self._scores is not None and self._scores.exchangeable
                said.append(words.armed(self.settings.run_length, self.settings.ever if tested else None))
            if unsteady := [name for name, spread in self.baseline.measures.items() if spread.wanders]:
                said.append(words.wandering(unsteady))
            if learned is not None:
                said.append(words.learning(learned, needed))
            return WatchStatus(tuple(self._measures()), learned, needed, tuple(said))

    def observe(self, moment: datetime, score: float | None, p_value: float | None, look: Look | None) -> News:
        """Take in one picture, and return what that does to alarms.

        The score is ranked here; the verdict's p-value only tells what is too unusual to learn from. What is None could
        not be had. Raises DataError for a score or a measure that is not a number, and UsageError for a moment without
        a time zone.
        """
        _refuse_naive(moment)
        if score is not None and math.isnan(score):
            raise DataError("a score is NaN: it cannot be watched; leave it out (None) and look at its picture")
        with self._lock:
            self.pictures += 1
            signals: list[Signal] = []
            set_aside = False
            if self._scores is not None and score is not None:
                set_aside, signals = self._scores.observe(moment, score, self._chance())
            if self._looks is not None and look is not None:
                signals += self._looks.observe(moment, look, set_aside)
            self._rows.append(Row(moment, score, p_value is not None and p_value <= SET_ASIDE, look))
            self._learn()
            over = self._ended(moment)
            if not signals:
                return News(changed=over)
            self._signalled = self.pictures
            measures = {signal.measure for signal in signals}
            if self._alarms.is_quiet(moment):
                return News(changed=over + self._alarms.begin_again(measures))
            if self._alarms.are_new(measures):
                return News((self._raised(moment, signals),), over)
            return News(changed=over, reminded=self._alarms.remind(measures, moment))

    def charts(self) -> tuple[ChartState, ...]:
        """Every chart, ready to be drawn."""
        with self._lock:
            parts = [part for part in (self._scores, self._looks) if part is not None]
            return tuple(state for part in parts for state in part.drawn())

    def acknowledge(self, alarm_id: str, who: str, note: str, at: datetime | None = None) -> DriftAlarm:
        """Note who has seen an alarm; while it holds, the quiet period begins anew.

        Raises UsageError for an unknown alarm.
        """
        at = _stamped(who, at)
        with self._lock:
            return self._alarms.acknowledge(alarm_id, Acknowledgement(who, note, at))

    def end(self, at: datetime | None = None) -> tuple[DriftAlarm, ...]:
        """Watch no longer: all alarms that hold are over; gives them."""
        with self._lock:
            return self._alarms.end(datetime.now(UTC) if at is None else at)

    def accept(self, who: str, note: str, at: datetime | None = None) -> BaselineChange:
        """Take what has changed as the new normal: a baseline is learned from the pictures since the last alarm."""
        at = _stamped(who, at)
        with self._lock:
            last = self._alarms.last
            change = BaselineChange(at, who, note, None if last is None else last.id)
            self._changes.append(change)
            self._learning_since = at if last is None else last.raised_at
            self._alarms.end(at)
            self._alarms.quiet_until = None
            self._arm(Baseline(source="station"))
            self._learn()
            return change

    def _arm(self, baseline: Baseline) -> None:
        """Start all charts; they share the rate of false alarms."""
        self.baseline = baseline
        self._signalled = self.pictures  # when a chart last gave a signal, or all started
        charts = len(CHARTS) * (bool(baseline.scores) + len(baseline.measures))
        charts += bool(baseline.scores) + (baseline.sizes is not None)
        each = self.settings.run_length * max(charts, 1)
        self._scores: ScoreWatch | None = ScoreWatch.of(baseline, each, self.settings) if baseline.scores else None
        self._looks: LookWatch | None = LookWatch.of(baseline, each) if baseline.measures else None

    def _measures(self) -> dict[str, MeasureCharts]:
        looks = {} if self._looks is None else self._looks.measures
        return looks if self._scores is None else {**looks, "score": self._scores.charts}

    def _chance(self) -> float:
        # By count instead of a stream of random numbers, so that there is no state to keep.
        return float(np.random.Generator(np.random.Philox(key=self.settings.seed, counter=self.pictures)).random())

    def _since_learning(self) -> list[Row]:
        return [row for row in self._rows if self._learning_since is None or row.at >= self._learning_since]

    def _learned(self) -> int | None:
        """How many pictures are there to learn from what is missing; None where nothing is."""
        rows = self._since_learning()
        known = []
        if not self.baseline.scores:
            known.append(sum(row.score is not None for row in rows))
        if not self.baseline.measures:
            known.append(sum(row.look is not None for row in rows))
        return min(known) if known else None

    def _learn(self) -> None:
        if self.baseline.scores and self.baseline.measures:
            return
        rows, needed, baseline = self._since_learning(), self.settings.learning_pictures, self.baseline
        scored = [row for row in rows if row.score is not None]
        seen = [row for row in rows if row.look is not None]
        if not baseline.scores and len(scored) >= needed:
            baseline = baseline.with_scores([row.score for row in _usual(scored) if row.score is not None])
        if not baseline.measures and len(seen) >= needed:
            baseline = baseline.with_looks([row.look for row in _usual(seen) if row.look is not None])
        if baseline is not self.baseline:
            self._arm(baseline)

    def _raised(self, at: datetime, signals: Sequence[Signal]) -> DriftAlarm:
        since = min(signal.since for signal in signals)
        moved = self._moved(since, signals)
        alarm = DriftAlarm(
            id=uuid.uuid5(uuid.NAMESPACE_OID, f"{at.isoformat()} {self.pictures} {self.settings.seed}").hex,
            code=_code(moved, signals),
            raised_at=at,
            since=since,
            moved=moved,
            charts=tuple(f"{signal.measure}.{signal.chart}" for signal in signals),
            pictures=self.pictures,
        )
        self._alarms.add(alarm)
        return alarm

    def _ended(self, at: datetime) -> tuple[DriftAlarm, ...]:
        """Alarms of which the newest pictures have nothing left, where no chart signals any more."""
        if not self._alarms.hold or self.pictures % SUBGROUP or self.pictures - self._signalled < NEWEST:
            return ()
        measures = self._measures()
        shifts = {name: charts.shift(at, NEWEST) for name, charts in measures.items()}
        if self._scores is not None:
            scores = [row.score for row in self._rows if row.score is not None]
            shifts["score"] = self._scores.shift_from_good(scores[-NEWEST:])
        majorities = {"set_aside.majority": self._scores, "size.majority": self._looks}
        most = {name for name, part in majorities.items() if part is not None and part.most_are()}

        def holds(moved: Moved) -> bool:
            if moved.measure not in measures:
                return False
            if moved.way == 0:
                return measures[moved.measure].is_unsteady()
            return moved.holds(*shifts[moved.measure])

        return self._alarms.end(
            at, lambda alarm: most.isdisjoint(alarm.charts) and not any(holds(moved) for moved in alarm.moved)
        )

    def _moved(self, since: datetime, signals: Sequence[Signal]) -> tuple[Moved, ...]:
        """Measures of pictures that have moved, the surest first, then the score."""
        found = []
        for name, charts in self._measures().items():
            now, sure = charts.shift(since, SUBGROUP)
            ways = [signal.way for signal in signals if signal.measure == name]
            if any(ways) or (abs(sure) > SURE and not ways):
                found.append(Moved(name, 1 if sure > 0 else -1, charts.scale.centre, now, sure))
            elif ways:  # of the spread alone
                found.append(Moved(name, 0, charts.scale.centre, now, sure))
        return tuple(sorted(found, key=lambda each: (each.measure == "score", -abs(each.sure))))

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON: a watch from it goes on as this one would."""
        with self._lock:
            return {
                "settings": self.settings.to_dict(),
                "baseline": self.baseline.to_dict(),
                "pictures": self.pictures,
                "signalled": self._signalled,
                **self._alarms.to_dict(),
                "changes": [
                    [change.at.isoformat(), change.who, change.note, change.alarm_id] for change in self._changes
                ],
                "rows": [row.to_list() for row in self._rows],
                "learning_since": _iso(self._learning_since),
                "scores": None if self._scores is None else self._scores.to_dict(),
                "looks": None if self._looks is None else self._looks.to_dict(),
            }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Undo `to_dict`; raises BundleError when something is missing or of the wrong kind."""
        try:
            watch = cls(Baseline.from_dict(plain["baseline"]), WatchSettings(**plain["settings"]))
            watch.pictures = plain["pictures"]
            watch._signalled = plain.get("signalled", 0)  # earlier states have none
            watch._alarms.restore(plain)
            watch._changes.extend(BaselineChange(datetime.fromisoformat(at), *rest) for at, *rest in plain["changes"])
            watch._rows.extend(map(Row.from_list, plain["rows"]))
            watch._learning_since = _moment(plain["learning_since"])
            if watch._scores is not None:
                watch._scores.restore(plain["scores"])
            if watch._looks is not None:
                watch._looks.restore(plain["looks"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(f"the state of this watch cannot be read ({error!r}): start a new one") from error
        return watch


def _code(moved: Sequence[Moved], signals: Sequence[Signal]) -> str:
    names = {signal.measure for signal in signals}
    if "size" in names:
        return "size_changed"
    if "set_aside" in names and all(each.measure == "score" for each in moved):
        return "many_anomalous"
    lead = moved[0]
    return f"{lead.measure}_{('lower', 'unsteady', 'higher')[lead.way + 1]}"


def _usual(rows: list[Row]) -> list[Row]:
    """Those that are not very unusual, unless these are most: then they are what is normal now."""
    usual = [row for row in rows if not row.unusual]
    return usual if len(usual) >= max(len(rows) / 2, FEWEST_GROUPS * SUBGROUP) else rows


def _stamped(who: str, at: datetime | None) -> datetime:
    if not who.strip():
        raise UsageError("nobody is named: say who does this")
    if at is None:
        return datetime.now(UTC)
    _refuse_naive(at)
    return at


def _refuse_naive(at: datetime) -> None:
    if at.tzinfo is None:
        raise UsageError(f"the moment {at.isoformat()} has no time zone: give it in UTC")


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _moment(plain: str | None) -> datetime | None:
    return None if plain is None else datetime.fromisoformat(plain)

"""The alarms of a watch: which of them hold, and when it is quiet about more."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hizumi.errors import UsageError
from hizumi.monitoring.alarm import Acknowledgement, DriftAlarm

REMEMBERED = 200


class News(NamedTuple):
    """What one picture has brought: alarms raised, those that are over or begin again, and those to be told again."""

    raised: tuple[DriftAlarm, ...] = ()
    changed: tuple[DriftAlarm, ...] = ()
    reminded: tuple[DriftAlarm, ...] = ()


@dataclass(eq=False)
class Alarms:
    """The last alarms, oldest first; after one, and after its acknowledgement, it is quiet for a while.

    Not longer than the alarm holds, once somebody has seen it: what begins again is told again. One that nobody has
    seen yet begins again as the same alarm, and while it holds it is told again after each quiet period: a drift that
    lasts for a shift is one alarm, not many.
    """

    quiet: timedelta
    quiet_until: datetime | None = None
    _kept: deque[DriftAlarm] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def __iter__(self) -> Iterator[DriftAlarm]:
        return iter(self._kept)

    @property
    def last(self) -> DriftAlarm | None:
        """The newest one."""
        return self._kept[-1] if self._kept else None

    @property
    def hold(self) -> bool:
        """Whether any has not ended."""
        return any(alarm.ended_at is None for alarm in self._kept)

    def is_quiet(self, at: datetime) -> bool:
        """Whether no alarm is to be raised now."""
        # Before the quiet period began, the clock has been set back, perhaps by years.
        until = self.quiet_until
        return until is not None and until - self.quiet <= at < until

    def add(self, alarm: DriftAlarm) -> None:
        """Raise an alarm."""
        self._kept.append(alarm)
        self.quiet_until = alarm.raised_at + self.quiet

    def acknowledge(self, alarm_id: str, acknowledgement: Acknowledgement) -> DriftAlarm:
        """Note who has seen an alarm; raises UsageError for an unknown one."""
        for place, alarm in enumerate(self._kept):
            if alarm.id == alarm_id:
                self._kept[place] = alarm.acknowledge(acknowledgement)
                if alarm.ended_at is None:
                    self.quiet_until = acknowledgement.at + self.quiet
                self._rearm()
                return self._kept[place]
        raise UsageError(f"there is no alarm {alarm_id[:40]!r}, or it is too old; list the alarms")

    def end(self, at: datetime, is_over: Callable[[DriftAlarm], bool] = lambda _: True) -> tuple[DriftAlarm, ...]:
        """End those that hold and are over now; gives them."""
        ended = []
        for place, alarm in enumerate(self._kept):
            if alarm.ended_at is None and is_over(alarm):
                self._kept[place] = alarm.end(at)
                ended.append(self._kept[place])
        self._rearm()
        return tuple(ended)

    def begin_again(self, measures: Collection[str]) -> tuple[DriftAlarm, ...]:
        """Take back the end of the last alarm where it was about one of these measures; gives it."""
        last = self._kept[-1]
        if last.ended_at is None or last.measures.isdisjoint(measures):
            return ()
        self._kept[-1] = last.end(None)
        return (self._kept[-1],)

    def are_new(self, measures: Collection[str]) -> bool:
        """Whether no alarm that holds tells of one of these measures."""
        known = frozenset().union(*(alarm.told_of for alarm in self._kept if alarm.ended_at is None))
        return not known.issuperset(measures)

    def remind(self, measures: Collection[str], at: datetime) -> tuple[DriftAlarm, ...]:
        """Tell again of the newest alarm on these measures that holds and that nobody has seen; gives it."""
        for place in reversed(range(len(self._kept))):
            alarm = self._kept[place]
            if alarm.ended_at is None and alarm.acknowledged is None and not alarm.told_of.isdisjoint(measures):
                self._kept[place] = alarm.remind(at)
                self.quiet_until = at + self.quiet
                return (self._kept[place],)
        return ()

    def _rearm(self) -> None:
        last = self.last
        if last is not None and last.ended_at is not None and last.acknowledged is not None:
            self.quiet_until = None

    def to_dict(self) -> dict[str, Any]:
        """Everything but the length of the quiet, ready for JSON."""
        quiet_until = None if self.quiet_until is None else self.quiet_until.isoformat()
        return {"alarms": [alarm.to_dict() for alarm in self._kept], "quiet_until": quiet_until}

    def restore(self, plain: dict[str, Any]) -> None:
        """Undo `to_dict`."""
        self._kept.extend(map(DriftAlarm.from_dict, plain["alarms"]))
        until = plain["quiet_until"]
        self.quiet_until = None if until is None else datetime.fromisoformat(until)

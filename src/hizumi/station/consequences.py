"""What follows from inspections and is kept with them: verdicts on parts, drift alarms, messages to sinks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, final

from hizumi.data.appearance import Look
from hizumi.monitoring import DriftAlarm
from hizumi.station.drift import Drift, alarm_record
from hizumi.station.entry import Entry
from hizumi.station.events import Event
from hizumi.station.log import Alarm, AuditEvent, Delivery, Log
from hizumi.station.sinks import Sink
from hizumi.station.station_file import RecipeSettings
from hizumi.station.views import PartVerdict, Views

STATE = "views of {}"
INTERRUPTED = "part interrupted"


class Seen(NamedTuple):
    """An inspection, as it is and as JSON has it, and how its picture looks."""

    entry: Entry
    record: Mapping[str, Any]
    look: Look | None


@dataclass
class Following:
    """What the log takes in one transaction with some inspections, and what listeners are told afterwards of each."""

    deliveries: list[Delivery] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    notes: list[AuditEvent] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)
    events: list[list[Event]] = field(default_factory=list)


@final
class Consequences:
    """Knows which views of parts are still to come, also after a crash. Used by one caller at a time."""

    def __init__(
        self, name: str, log: Log, sinks: Sequence[Sink], drift: Drift, recipes: Iterable[RecipeSettings]
    ) -> None:
        self._name = name
        self._sinks = sinks
        self._drift = drift
        self._views: dict[str, Views] = {}
        for recipe in recipes:
            if recipe.views:
                views = self._views[recipe.name] = Views(recipe.name, recipe.views, recipe.view_seconds)
                views.restore(log.state(STATE.format(recipe.name)) or {}, log.entry, datetime.now(UTC))

    def of(self, seen: Sequence[Seen]) -> Following:
        """Of inspections, in the order in which they are kept."""
        found = Following()
        for each in seen:
            found.events.append([])
            recipe = each.entry.recipe
            if (views := self._views.get(recipe)) is None:
                self._send(found, {"event": "inspection", **each.record}, each.entry.id)
            else:
                self._decide(found, views, views.add(each.entry, datetime.now(UTC)))
            drift = self._drift.observe(each.entry, each.look)
            self._tell(found, [alarm_record(recipe, alarm) for alarm in drift.raised + drift.reminded + drift.changed])
            if any(drift) or self._drift.is_to_be_kept(recipe):
                found.states |= self._drift.state(recipe)
        return found

    def of_the_start(self) -> Following:
        """Of drift alarms that nobody watches any more, since other detectors or settings came with the start."""
        found = Following(alarms=self._drift.known(), events=[[]])
        self._tell(found, self._drift.left(datetime.now(UTC)))
        for recipe in self._drift.recipes:
            found.states |= self._drift.state(recipe)
        return found

    def of_ends(self, recipe: str, alarms: Iterable[DriftAlarm]) -> Following:
        """Of drift alarms that somebody, and no picture, has ended."""
        found = Following(states=self._drift.state(recipe), events=[[]])
        self._tell(found, [alarm_record(recipe, alarm) for alarm in alarms])
        return found

    def of_late_views(self) -> Following:
        """Of views that did not come in time."""
        found = Following(events=[[]])
        for views in self._views.values():
            if late := views.expired(datetime.now(UTC)):
                self._decide(found, views, late)
        return found

    def of_the_end(self) -> Following:
        """Of the station's end, for which no view is waited."""
        found = Following(events=[[]])
        for views in self._views.values():
            self._decide(found, views, views.close(datetime.now(UTC)))
        for recipe in self._drift.recipes:
            found.states |= self._drift.state(recipe)
        return found

    def _decide(self, found: Following, views: Views, verdicts: Iterable[PartVerdict]) -> None:
        for verdict in verdicts:
            payload = {"event": "part", "station": self._name, **verdict.to_dict()}
            found.events[-1].append(Event("part", payload))
            self._send(found, payload, verdict.entries[-1].id)
            if verdict.interrupted:
                found.notes.append(AuditEvent("station", INTERRUPTED, verdict.reason, verdict.to_dict()))
        found.states[STATE.format(views.recipe)] = views.to_dict()

    def _tell(self, found: Following, alarms: Iterable[Alarm]) -> None:
        for alarm in alarms:
            told = {"recipe": alarm.recipe, **alarm.details}
            about = {"event": "drift", "station": self._name, "told_at": datetime.now(UTC).isoformat()}
            self._send(found, about | told, None)
            found.alarms.append(alarm)
            found.events[-1].append(Event("drift", told))

    def _send(self, found: Following, payload: dict[str, Any], inspection_id: str | None) -> None:
        wanting = [sink.name for sink in self._sinks if sink.wants(payload)]
        found.deliveries += [Delivery(name, dict(payload), inspection_id) for name in wanting]

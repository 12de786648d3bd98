"""What follows from an inspection: verdicts on parts, drift alarms, messages to sinks, events for listeners."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, final

from hizumi.data.appearance import Look
from hizumi.errors import LogError
from hizumi.monitoring import DriftAlarm
from hizumi.station.drift import Drift
from hizumi.station.entry import Entry
from hizumi.station.entry_record import entry_record
from hizumi.station.events import Event, Events
from hizumi.station.keeping import Kept, Losses
from hizumi.station.log import Alarm, Delivery, Log
from hizumi.station.outbox import Outbox
from hizumi.station.recipe import Recipe
from hizumi.station.sinks import Sink
from hizumi.station.views import PartVerdict, Views


@final
class Telling:
    """Tells everybody. Used from one event loop, but for `messages`."""

    def __init__(self, name: str, log: Log, sinks: Sequence[Sink], drift: Drift, losses: Losses) -> None:
        self.events = Events()
        self.outbox = Outbox(log, sinks)
        self._name = name
        self._log = log
        self._sinks = sinks
        self._drift = drift
        self._losses = losses
        self._views: dict[str, Views] = {}

    def expect_views(self, recipes: Iterable[Recipe]) -> None:
        """Wait for the views of parts, where recipes name any."""
        for settings in (recipe.settings for recipe in recipes):
            if settings.views:
                self._views[settings.name] = Views(settings.name, settings.views, settings.view_seconds)

    def messages(self, entry: Entry) -> list[Delivery]:
        """What sinks are told of one picture; of one of several views nothing, since the part's verdict follows."""
        if entry.recipe in self._views:
            return []
        return self._messages({"event": "inspection", **entry_record(entry)}, entry.id)

    async def kept(self, kept: Kept, look: Look | None) -> None:
        """Tell of an inspection."""
        self.events.tell(Event("inspection", {**entry_record(kept.entry), "kept": kept.is_kept}))
        self.outbox.wake()
        if (views := self._views.get(kept.entry.recipe)) is not None:
            await self._parts(views.add(kept.entry, datetime.now(UTC)))
        for alarm in self._drift.observe(kept.entry, look):
            await self._drifted(kept.entry.recipe, alarm)
        if self._drift.is_to_be_kept(kept.entry.recipe):
            await self._write(self._drift.keep, kept.entry.recipe)

    async def look_for_late_views(self) -> None:
        """Tell of parts of which a view did not come in time."""
        for views in self._views.values():
            await self._parts(views.expired(datetime.now(UTC)))

    async def end(self) -> None:
        """Tell of parts that wait for views, keep the watches, and send listeners away."""
        for views in self._views.values():
            await self._parts(views.close(datetime.now(UTC)))
        for recipe in self._drift.recipes:
            await self._write(self._drift.keep, recipe)
        self.events.end()

    async def _parts(self, verdicts: Iterable[PartVerdict]) -> None:
        for verdict in verdicts:
            payload = {"event": "part", "station": self._name, **verdict.to_dict()}
            self.events.tell(Event("part", payload))
            await self._send(payload, verdict.entries[-1].id)

    async def _drifted(self, recipe: str, alarm: DriftAlarm) -> None:
        payload = {"event": "drift", "station": self._name, "recipe": recipe, **alarm.to_dict()}
        self.events.tell(Event("drift", payload))
        kept = Alarm(recipe, alarm.words, details=alarm.to_dict(), raised_at=alarm.raised_at, id=alarm.id)
        await self._write(self._log.alarm, kept)
        await self._send(payload, None)

    async def _send(self, payload: Mapping[str, Any], inspection_id: str | None) -> None:
        if messages := self._messages(payload, inspection_id):
            await self._write(self._log.send, messages)
            self.outbox.wake()

    def _messages(self, payload: Mapping[str, Any], inspection_id: str | None) -> list[Delivery]:
        return [Delivery(sink.name, dict(payload), inspection_id) for sink in self._sinks if sink.wants(payload)]

    async def _write(self, write: Any, what: Any) -> None:
        """Write to the log; where it cannot be, that is counted, and the station goes on."""
        try:
            await asyncio.to_thread(write, what)
        except LogError as error:
            self._losses.entries += 1
            self._losses.reason = str(error)

"""The station: pictures come in, each is judged, kept and told about."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self, final

from hizumi.calibration import Verdict
from hizumi.data.images import Decoded
from hizumi.data.manifest import Failure
from hizumi.errors import BusyError, DataError, UsageError
from hizumi.station.entry import Entry
from hizumi.station.entry_record import entry_record
from hizumi.station.events import Event, Events
from hizumi.station.gallery import Gallery, overlay_of
from hizumi.station.judging import Judge, Question
from hizumi.station.keeping import Keeper, Kept, Losses, ToKeep
from hizumi.station.log import Delivery, Log, Taken
from hizumi.station.pictures import Pictures
from hizumi.station.recipe import Recipe
from hizumi.station.sinks import sink_from
from hizumi.station.sources import Arrival, Source, source_from
from hizumi.station.station_file import StationSettings
from hizumi.storage.files import printable

LONGEST_NAME = 200  # characters kept of what a picture is called
BUSY_SECONDS = 0.2  # between attempts of a source to hand over a picture


@final
class Station:
    """Takes pictures from any number of senders at once. Used from one event loop; the work is done in threads."""

    def __init__(self, settings: StationSettings, log: Log, pictures: Pictures) -> None:
        self.settings = settings
        self.log = log
        self.pictures = pictures
        self.events = Events()
        self.recipes = {recipe.name: Recipe(recipe) for recipe in settings.recipes}
        self.sinks = {sink.name: sink for sink in (sink_from(table, root=settings.root) for table in settings.sinks)}
        self.sources = [source_from(table, taken_for=log.taken_for, root=settings.root) for table in settings.sources]
        self.gallery = Gallery(pictures, self._judge_of)
        self.losses = Losses()
        self.in_flight = 0
        self.is_closing = False
        self._keeper = Keeper(log, pictures, self._deliveries_for, self.losses)
        self._told: list[Callable[[Entry], None]] = []
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def open(cls, settings: StationSettings) -> Self:
        """With the log and the pictures where the settings say, made where they are missing."""
        settings.folder.mkdir(parents=True, exist_ok=True)
        url = settings.database or f"sqlite:///{settings.folder / 'station.sqlite'}"
        return cls(settings, Log.open(url), Pictures(settings.folder / "pictures"))

    def start(self) -> None:
        """Begin to take what the sources bring."""
        self._tasks = [asyncio.create_task(self._take_from(source), name=source.name) for source in self.sources]

    def recipe(self, name: str | None, part: str = "") -> Recipe:
        """The recipe of that name, or the one for a part code, or the only one; raises UsageError without one."""
        if name is not None:
            found = self.recipes.get(name)
            if found is None:
                raise UsageError(f"there is no recipe {printable(name)!r}; there are {', '.join(self.recipes)}")
            return found
        if len(self.recipes) == 1 and not part:
            return next(iter(self.recipes.values()))
        chosen = [recipe for recipe in self.recipes.values() if recipe.settings.is_for(part)]
        if len(chosen) == 1:
            return chosen[0]
        what = f"the part {printable(part)!r}" if part else "a picture that names neither recipe nor part"
        these = f"recipes {', '.join(recipe.name for recipe in chosen)} are" if chosen else "no recipe is"
        raise UsageError(f"{these} for {what}; name one of {', '.join(self.recipes)}")

    async def inspect(self, arrival: Arrival) -> Kept:
        """Judge one picture, and keep it; one that cannot be judged is kept with the reason.

        Raises BusyError where too many wait, and UsageError where no recipe fits.
        """
        recipe = self.recipe(arrival.recipe, arrival.part)
        with self._admitted(), recipe.at_work() as judge:
            return await self._kept(await self._judged(arrival, recipe, judge))

    def on_kept(self, tell: Callable[[Entry], None]) -> None:
        """Call this with every inspection from now on."""
        self._told.append(tell)

    async def close(self) -> None:
        """Take no more pictures, finish those that wait, and end."""
        self.is_closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self.in_flight:
            await asyncio.sleep(0.01)
        self.events.end()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for recipe in self.recipes.values():
            recipe.close()
        self._keeper.close()
        self.log.close()

    def refuse_where_busy(self, count: int = 1) -> None:
        """Raise BusyError where so many more pictures cannot be taken now, or never at once."""
        if self.is_closing:
            raise BusyError("the station is closing; send the picture again in a minute")
        if count > self.settings.waiting:
            raise UsageError(f"{count} pictures at once are more than {self.settings.waiting}, the most that is taken")
        if self.in_flight + count > self.settings.waiting:
            raise BusyError(f"{self.in_flight} pictures wait already; send it again in a second")

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        self.refuse_where_busy()
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def _take_from(self, source: Source) -> None:
        """Judge what a source brings, one picture after another; each is put away once the log has it."""
        async for arrival in source.arrivals():
            kept = await self._inspect_patiently(arrival)
            if kept.is_kept:
                await source.done(arrival, kept.entry)

    async def _inspect_patiently(self, arrival: Arrival) -> Kept:
        while True:
            try:
                return await self.inspect(arrival)
            except BusyError:
                await asyncio.sleep(BUSY_SECONDS)
            except UsageError as error:  # a picture for which there is no recipe is not lost for that
                return await self._kept(_unjudged(arrival, str(error), self._known(arrival, "", "")))

    async def _kept(self, item: ToKeep) -> Kept:
        kept = await asyncio.wrap_future(self._keeper.submit(item))
        for tell in self._told:
            tell(kept.entry)
        self.events.tell(Event("inspection", {**entry_record(kept.entry), "kept": kept.is_kept}))
        return kept

    async def _judged(self, arrival: Arrival, recipe: Recipe, judge: Judge) -> ToKeep:
        started = time.perf_counter()
        outcome, digest = await self._outcome(arrival, judge)
        known = self._known(arrival, recipe.name, judge.sha256, digest)
        known["latency_ms"] = (time.perf_counter() - started) * 1000
        if isinstance(outcome, Failure):
            return _unjudged(arrival, outcome.reason, known)
        entry = Entry.of(replace(outcome, notes=(*arrival.notes, *outcome.notes)), **known)
        overlay = overlay_of(outcome, judge.inspector.calibration_) if outcome.anomalous else None
        return ToKeep(entry, arrival.content, overlay, _taken(arrival, entry))

    def _known(self, arrival: Arrival, recipe: str, bundle_sha256: str, digest: str = "") -> dict[str, Any]:
        """What an entry says of the picture beside the verdict."""
        return {
            "recipe": recipe,
            "picture_sha256": digest or hashlib.sha256(arrival.content).hexdigest(),
            "bundle_sha256": bundle_sha256,
            "station": self.settings.name,
            "source": arrival.source,
            "part": printable(arrival.part)[:LONGEST_NAME],
            "view": printable(arrival.view)[:LONGEST_NAME],
        }

    async def _outcome(self, arrival: Arrival, judge: Judge) -> tuple[Verdict | Failure, str]:
        """The verdict, or why there is none; and the hash of the picture, "" where it was not computed."""
        name = _called(arrival)
        if arrival.error:
            return Failure(0, name, arrival.error), ""
        try:
            image, digest = await asyncio.to_thread(_decoded, judge, arrival.content, name)
        except DataError as error:
            return Failure.of(0, name, error), ""
        return await asyncio.wrap_future(judge.submit(Question(image, name))), digest

    def _deliveries_for(self, entry: Entry) -> list[Delivery]:
        payload = {"event": "inspection", **entry_record(entry)}
        return [Delivery(name, payload, entry.id) for name, sink in self.sinks.items() if sink.wants(payload)]

    def _judge_of(self, entry: Entry) -> Judge | None:
        """The judge that gave a verdict, while it is at work."""
        recipe = self.recipes.get(entry.recipe)
        return recipe.judge if recipe is not None and recipe.judge.sha256 == entry.bundle_sha256 else None


def _decoded(judge: Judge, content: bytes, name: str) -> tuple[Decoded, str]:
    return judge.decode(content, name), hashlib.sha256(content).hexdigest()


def _called(arrival: Arrival) -> str:
    return printable(arrival.name)[:LONGEST_NAME]


def _unjudged(arrival: Arrival, reason: str, known: dict[str, Any]) -> ToKeep:
    entry = Entry(name=_called(arrival), anomalous=None, reason=reason, notes=arrival.notes, **known)
    return ToKeep(entry, arrival.content, None, _taken(arrival, entry))


def _taken(arrival: Arrival, entry: Entry) -> Taken | None:
    return None if arrival.key is None else Taken(arrival.source, arrival.key, entry.id)

"""The station: pictures come in, each is judged, kept and told about."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self, final

from hizumi.calibration import Verdict
from hizumi.data.images import Decoded
from hizumi.data.manifest import Failure
from hizumi.errors import BusyError, DataError, UsageError
from hizumi.station.entry import Entry
from hizumi.station.entry_record import entry_record
from hizumi.station.events import Event, Events
from hizumi.station.evidence import Evidence, overlay_of
from hizumi.station.judging import Judge, Question
from hizumi.station.keeping import Keeper, Kept, Losses, ToKeep
from hizumi.station.log import Log, Taken
from hizumi.station.pictures import Pictures
from hizumi.station.recipe import Recipe
from hizumi.station.sources.source import Arrival
from hizumi.station.station_file import StationSettings
from hizumi.storage.files import printable

LONGEST_NAME = 200  # characters kept of what a picture is called


@final
class Station:
    """Takes pictures from any number of senders at once. Used from one event loop; the work is done in threads."""

    def __init__(self, settings: StationSettings, log: Log, pictures: Pictures) -> None:
        self.settings = settings
        self.log = log
        self.pictures = pictures
        self.events = Events()
        self.recipes = {recipe.name: Recipe(recipe, _bundle_in_use(log, recipe.name)) for recipe in settings.recipes}
        self.evidence = Evidence(pictures, self._judge_of)
        self.losses = Losses()
        self.in_flight = 0
        self.is_closing = False
        self._keeper = Keeper(log, pictures, self._deliveries_for, self.losses)
        self._told: list[Callable[[Entry], None]] = []

    @classmethod
    def open(cls, settings: StationSettings) -> Self:
        """With the log and the pictures where the settings say, made where they are missing."""
        settings.folder.mkdir(parents=True, exist_ok=True)
        url = settings.database or f"sqlite:///{settings.folder / 'station.sqlite'}"
        return cls(settings, Log.open(url), Pictures(settings.folder / "pictures"))

    def recipe(self, name: str | None, part: str = "") -> Recipe:
        """The recipe of that name, or the one for a part code, or the only one; raises UsageError where there is none."""
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
            started = time.perf_counter()
            item = await self._judged(arrival, recipe, judge, started)
            kept = await asyncio.wrap_future(self._keeper.submit(item))
        for tell in self._told:
            tell(kept.entry)
        self.events.tell(Event("inspection", {**entry_record(kept.entry), "kept": kept.is_kept}))
        return kept

    def on_kept(self, tell: Callable[[Entry], None]) -> None:
        """Call this with every inspection from now on."""
        self._told.append(tell)

    async def close(self) -> None:
        """Take no more pictures, finish those that wait, and end."""
        self.is_closing = True
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

    async def _judged(self, arrival: Arrival, recipe: Recipe, judge: Judge, started: float) -> ToKeep:
        name = printable(arrival.name)[:LONGEST_NAME]
        outcome, digest = await self._outcome(arrival, judge, name)
        known = {
            "recipe": recipe.name,
            "picture_sha256": digest,
            "bundle_sha256": judge.sha256,
            "station": self.settings.name,
            "source": arrival.source,
            "part": printable(arrival.part)[:LONGEST_NAME],
            "view": printable(arrival.view)[:LONGEST_NAME],
            "latency_ms": (time.perf_counter() - started) * 1000,
        }
        if isinstance(outcome, Failure):
            entry = Entry(name=name, anomalous=None, reason=outcome.reason, notes=arrival.notes, **known)
            overlay = None
        else:
            entry = Entry.of(replace(outcome, notes=(*arrival.notes, *outcome.notes)), **known)
            overlay = overlay_of(outcome, judge.inspector.calibration_) if outcome.anomalous else None
        taken = None if arrival.key is None else Taken(arrival.source, arrival.key, entry.id)
        return ToKeep(entry, arrival.content, overlay, taken)

    async def _outcome(self, arrival: Arrival, judge: Judge, name: str) -> tuple[Verdict | Failure, str]:
        """The verdict, or why there is none; and the hash of the picture."""
        if arrival.error:
            return Failure(0, name, arrival.error), hashlib.sha256(arrival.content).hexdigest()
        try:
            image, digest = await asyncio.to_thread(_decoded, judge, arrival.content, name)
        except DataError as error:
            return Failure.of(0, name, error), hashlib.sha256(arrival.content).hexdigest()
        return await asyncio.wrap_future(judge.submit(Question(image, name))), digest

    def _judge_of(self, entry: Entry) -> Judge | None:
        """The judge that gave a verdict, while it is at work."""
        recipe = self.recipes.get(entry.recipe)
        return recipe.judge if recipe is not None and recipe.judge.sha256 == entry.bundle_sha256 else None


def _decoded(judge: Judge, content: bytes, name: str) -> tuple[Decoded, str]:
    return judge.decode(content, name), hashlib.sha256(content).hexdigest()

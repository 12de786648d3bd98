"""The station: pictures come in, each is judged, kept and told about."""

import asyncio
import hashlib
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self, final

from hizumi.calibration import Verdict
from hizumi.data.appearance import Look
from hizumi.data.images import Decoded
from hizumi.data.manifest import Failure
from hizumi.errors import BusyError, DataError, HizumiError, UsageError, is_shortage
from hizumi.monitoring import BaselineChange
from hizumi.station.audit_sample import audit_sample, set_audit_sample
from hizumi.station.consequences import Consequences
from hizumi.station.drift import Drift
from hizumi.station.entry import Entry
from hizumi.station.events import Event, Events
from hizumi.station.exchanging import Exchange
from hizumi.station.gallery import Gallery, overlay_of
from hizumi.station.ids import follow
from hizumi.station.judging import Judge, Question
from hizumi.station.keeping import Keeper, Kept, Losses, ToKeep
from hizumi.station.log import Log, Taken
from hizumi.station.outbox import Outbox
from hizumi.station.pictures import Pictures
from hizumi.station.recipe import Recipe, recipe_at_work
from hizumi.station.retention import prune
from hizumi.station.shelf import Shelf
from hizumi.station.sinks import sinks_from
from hizumi.station.sources import Arrival, Source, refuse_own_pictures, sources_from
from hizumi.station.station_file import StationSettings
from hizumi.storage.files import printable

LONGEST_NAME = 200  # characters kept of what a picture is called
BUSY_SECONDS = 0.2  # between attempts of a source to hand over a picture
BROKEN_OFF_SECONDS = 5.0  # before a source is begun again
LATE_VIEWS_SECONDS = 0.5
LOG_TRIED_SECONDS = 1.0  # between attempts to write where the log refused
TIDYING_SECONDS = 600.0


@final
class Station:
    """Takes pictures from any number of senders at once. Used from one event loop; the work is done in threads."""

    def __init__(self, settings: StationSettings, log: Log, pictures: Pictures) -> None:
        self.settings = settings
        self.log = log
        self.pictures = pictures
        self.shelf = Shelf(settings.folder / "bundles")
        self.recipes = {recipe.name: recipe_at_work(log, self.shelf, recipe) for recipe in settings.recipes}
        self.sources = sources_from(settings.sources, taken_for=log.taken_for, root=settings.root)
        self.gallery = Gallery(pictures, self._judge_of)
        self.losses = Losses()
        self.drift = Drift(log, self.recipes, settings.drift, learns_here=settings.drift_baseline == "station")
        sinks = sinks_from(settings.sinks, picture_of=pictures.read, drift_holds=self.drift.holds, root=settings.root)
        refuse_own_pictures(self.sources, [pictures.root, *(sink.writes_pictures_to for sink in sinks)])
        self.events = Events()
        self.exchange = Exchange(log, self.shelf, self.events)
        self.outbox = Outbox(log, sinks, lambda: self.losses.log_refuses)
        self.in_flight = 0
        self.is_closing = False
        self._samples = {name: audit_sample(log, name) for name in self.recipes}
        consequences = Consequences(settings.name, log, sinks, self.drift, settings.recipes)
        self._keeper = Keeper(log, pictures, consequences, self.losses)
        self._keeper.open()
        self._told: list[Callable[[Entry], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._delivering: asyncio.Task[None] | None = None
        self._end = asyncio.Event()

    @classmethod
    def open(cls, settings: StationSettings) -> Self:
        """With the log and the pictures where the settings say, made where they are missing.

        Raises UsageError where another station works with this log.
        """
        settings.folder.mkdir(parents=True, exist_ok=True)
        log = Log.open(settings.log_url)
        try:
            log.claim()
            if (newest := log.newest_id()) is not None:
                follow(newest)
            return cls(settings, log, Pictures(settings.folder / "pictures"))
        except BaseException:
            log.close()
            raise

    def start(self) -> None:
        """Begin to take what the sources bring, to deliver, and to tidy up."""
        self._tasks = [asyncio.create_task(self._take_from(source), name=source.name) for source in self.sources]
        self._tasks.append(asyncio.create_task(self._every(TIDYING_SECONDS, self._tidy)))
        self._tasks.append(asyncio.create_task(self._every(LOG_TRIED_SECONDS, self._try_the_log)))
        if any(recipe.settings.views for recipe in self.recipes.values()):
            self._tasks.append(asyncio.create_task(self._every(LATE_VIEWS_SECONDS, self._look_for_late_views)))
        self._delivering = asyncio.create_task(self.outbox.run(self._end))

    def recipe(self, name: str | None, part: str = "") -> Recipe:
        """The recipe of that name, or the one for a part code, or the only one; raises UsageError without one."""
        if name is not None:
            found = self.recipes.get(name)
            if found is None:
                raise UsageError(f"there is no recipe {printable(name)!r}; there are {', '.join(self.recipes)}")
            return found
        only = next(iter(self.recipes.values()))
        if len(self.recipes) == 1 and not (part and only.settings.parts):
            return only
        chosen = [recipe for recipe in self.recipes.values() if recipe.settings.is_for(part)]
        if len(chosen) == 1:
            return chosen[0]
        what = f"the part {printable(part)!r}" if part else "a picture that names neither recipe nor part"
        these = f"recipes {', '.join(recipe.name for recipe in chosen)} are" if chosen else "no recipe is"
        raise UsageError(f"{these} for {what}; name one of {', '.join(self.recipes)}")

    async def inspect(self, arrival: Arrival) -> Kept:
        """As for `inspect_all`, of one picture."""
        [kept] = await self.inspect_all([arrival])
        return kept

    async def inspect_all(self, arrivals: Sequence[Arrival]) -> list[Kept]:
        """Judge pictures, and keep them; one that cannot be judged, for whatever reason, is kept with the reason.

        Raises BusyError where too many wait, and UsageError where no recipe fits one of them; then none is judged.
        """
        recipes = [self.recipe(arrival.recipe, arrival.part) for arrival in arrivals]
        with self._admitted(len(arrivals)):
            return await asyncio.gather(*map(self._inspected, arrivals, recipes))

    def sample_share(self, recipe: str) -> float:
        """The random share of inspections that has to be reviewed."""
        return self._samples[recipe].share

    def set_audit_sample(self, recipe: str, share: float, *, who: str, why: str) -> None:
        """Draw the random share of inspections that has to be reviewed whatever their scores, from now on."""
        self._samples[recipe] = set_audit_sample(self.log, recipe, share, who=who, why=why)

    async def accept_drift(self, recipe: str, *, who: str, why: str) -> BaselineChange:
        """Take what has changed as the new normal; all alarms are over, and whoever was told of them hears of it.

        Raises LogError where that cannot be written down.
        """
        watch = self.drift.watch(recipe)
        change = watch.accept(who, why)
        over = [alarm for alarm in watch.alarms if alarm.ended_at == change.at]
        self._tell(await asyncio.to_thread(self._keeper.keep_ends, recipe, over))
        return change

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
        self._tell(await asyncio.to_thread(self._keeper.close))
        self.events.end()
        self._end.set()
        if self._delivering is not None:
            await self._delivering
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for recipe in self.recipes.values():
            recipe.close()
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
    def _admitted(self, count: int) -> Iterator[None]:
        self.refuse_where_busy(count)
        self.in_flight += count
        try:
            yield
        finally:
            self.in_flight -= count

    async def _inspected(self, arrival: Arrival, recipe: Recipe) -> Kept:
        with recipe.at_work() as judge:
            kept: Future[Kept] = Future()
            try:
                judge.workers.submit(self._judge_and_keep, kept, arrival, recipe, judge, time.perf_counter())
                return self._announced(await asyncio.wrap_future(kept))
            except Exception as error:  # such as no memory for it: it is not lost for that, nor what came with it
                if not is_shortage(error):
                    traceback.print_exception(error)  # a mistake of ours: the terminal says where
                known = self._known(arrival, recipe.name, judge.sha256)
                return await self._keep_unjudged(arrival, _failed(error), known)

    async def _take_from(self, source: Source) -> None:
        """Judge what a source brings, one picture after another; each is put away once the log has it."""
        while True:
            try:
                async for arrival in source.arrivals():
                    await self._take(source, arrival)
            except Exception as error:  # nobody waits for it here, so that it would be gone without a word
                source.trouble = f"it has broken off: {_failed(error)}"
                if source.goes_on:
                    await asyncio.sleep(BROKEN_OFF_SECONDS)
                    continue
            return

    async def _take(self, source: Source, arrival: Arrival) -> None:
        try:
            kept = await self._inspect_patiently(arrival)
            if kept.is_kept:
                await source.done(arrival, kept.entry)
        except Exception as error:  # whatever it is, the next picture may be judged
            self.losses.reason = _failed(error)

    async def _inspect_patiently(self, arrival: Arrival) -> Kept:
        while True:
            try:
                return await self.inspect(arrival)
            except BusyError:
                await asyncio.sleep(BUSY_SECONDS)
            except UsageError as error:  # a picture for which there is no recipe is not lost for that
                return await self._keep_unjudged(arrival, str(error), self._known(arrival, "", ""))

    async def _keep_unjudged(self, arrival: Arrival, reason: str, known: dict[str, Any]) -> Kept:
        known |= {"picture_sha256": hashlib.sha256(arrival.content).hexdigest()}
        unjudged = _unjudged(arrival, reason, known)
        try:
            return self._announced(await asyncio.wrap_future(self._keeper.submit(unjudged)))
        except Exception as error:  # whatever it is, whoever sent it must hear that it was not judged
            self.losses.entries += 1
            self.losses.reason = _failed(error)
            return Kept.lost(unjudged.entry)

    def _announced(self, kept: Kept) -> Kept:
        for tell in self._told:
            tell(kept.entry)
        self._tell(kept.events)
        return kept

    async def _try_the_log(self) -> None:
        await asyncio.to_thread(self._keeper.try_the_log)

    async def _look_for_late_views(self) -> None:
        self._tell(await asyncio.to_thread(self._keeper.keep_late_views))

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            self.events.tell(event)
        self.outbox.wake()

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await do()
            except Exception as error:  # it may be well the next time
                self.losses.reason = _failed(error)

    async def _tidy(self) -> None:
        """Remove pictures beyond the limits; what goes wrong is told, and tried again the next time."""
        try:
            await asyncio.to_thread(self.log.claim)  # a server that was started anew has forgotten it
            await asyncio.to_thread(prune, self.log, self.pictures, self.settings.retention, datetime.now(UTC))
        except HizumiError as error:
            self.losses.reason = f"the station could not tidy up: {error}"

    def _judge_and_keep(
        self, kept: "Future[Kept]", arrival: Arrival, recipe: Recipe, judge: Judge, arrived: float
    ) -> None:
        """In a thread, which waits for the verdict and hands it on: the loop is woken once, when all is done."""
        try:
            self._keeper.submit(self._judged(arrival, recipe, judge, arrived), kept)
        except BaseException as error:  # whatever it is, whoever waits must hear of it
            kept.set_exception(error)

    def _judged(self, arrival: Arrival, recipe: Recipe, judge: Judge, arrived: float) -> ToKeep:
        """What is to be kept of a picture."""
        with judge.turns:
            opened = _opened(judge, arrival)
        image, name = opened.image, _called(arrival)
        outcome = image if isinstance(image, Failure) else judge.submit(Question(image, name)).result()
        known = self._known(arrival, recipe.name, judge.sha256) | {
            "picture_sha256": opened.sha256,
            "latency_ms": (time.perf_counter() - arrived) * 1000,
        }
        if isinstance(outcome, Failure):
            return _unjudged(arrival, outcome.reason, known)._replace(look=opened.look)
        entry = Entry.of(replace(outcome, notes=(*arrival.notes, *outcome.notes)), **known)
        entry = replace(entry, sampled=self._samples[recipe.name].includes(entry.id))
        overlay = _overlay(judge, outcome) if outcome.anomalous else None
        return ToKeep(entry, arrival.content, overlay, _taken(arrival, entry), opened.look)

    def _known(self, arrival: Arrival, recipe: str, bundle_sha256: str) -> dict[str, Any]:
        """What an entry says of the picture beside the verdict."""
        return {
            "recipe": recipe,
            "bundle_sha256": bundle_sha256,
            "station": self.settings.name,
            "source": arrival.source,
            "part": printable(arrival.part)[:LONGEST_NAME],
            "view": printable(arrival.view)[:LONGEST_NAME],
        }

    def _judge_of(self, entry: Entry) -> Judge | None:
        """The judge that gave a verdict, while it is at work."""
        recipe = self.recipes.get(entry.recipe)
        return recipe.judge if recipe is not None and recipe.judge.sha256 == entry.bundle_sha256 else None


class _Opened(NamedTuple):
    """A picture's pixels, or why there are none; its hash, and how it looks."""

    image: Decoded | Failure
    sha256: str
    look: Look | None = None


def _opened(judge: Judge, arrival: Arrival) -> _Opened:
    name, digest = _called(arrival), hashlib.sha256(arrival.content).hexdigest()
    if arrival.error:
        return _Opened(Failure(0, name, arrival.error), digest)
    try:
        image = judge.decode(arrival.content, name)
    except DataError as error:
        return _Opened(Failure.of(0, name, error), digest)
    return _Opened(image, digest, judge.look(image))


def _overlay(judge: Judge, verdict: Verdict) -> bytes | None:
    try:
        with judge.turns:
            return overlay_of(verdict, judge.inspector.calibration_)
    except MemoryError:  # the verdict stands without its map
        return None


def _failed(error: Exception) -> str:
    """Of what only a mistake of ours, or want of memory, can have raised."""
    return "memory ran out" if is_shortage(error) else f"the station failed on it ({type(error).__name__})"


def _called(arrival: Arrival) -> str:
    return printable(arrival.name)[:LONGEST_NAME]


def _unjudged(arrival: Arrival, reason: str, known: dict[str, Any]) -> ToKeep:
    entry = Entry(name=_called(arrival), anomalous=None, reason=reason, notes=arrival.notes, **known)
    return ToKeep(entry, arrival.content, None, _taken(arrival, entry))


def _taken(arrival: Arrival, entry: Entry) -> Taken | None:
    return None if arrival.key is None else Taken(arrival.source, arrival.key, entry.id)

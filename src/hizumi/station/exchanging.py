"""Another bundle in place of the one that a recipe judges by, while pictures come in."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import final

from hizumi.errors import HizumiError, UsageError
from hizumi.station.events import Event, Events
from hizumi.station.judging import Judge
from hizumi.station.log import AuditEvent, Log
from hizumi.station.recalibration import State
from hizumi.station.recipe import Recipe, bundle_before, use_bundle
from hizumi.station.shelf import Shelf, bundle_sha256


@final
class Exchange:
    """Changes what recipes judge by, one change after another: each begins with what the one before has made."""

    def __init__(self, log: Log, shelf: Shelf, events: Events) -> None:
        self._log = log
        self._shelf = shelf
        self._events = events
        self._changing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def recalibrate(self, recipe: Recipe, make: Callable[[Path], State]) -> Judge:
        """Judge by the state that `make` makes of the bundle in use; gives the judge."""
        async with self._changing[recipe.name]:
            state = await asyncio.to_thread(make, recipe.judge.path)
            await self._use(recipe, state.path, lambda *_: state.note)
            return recipe.judge

    async def reload(self, recipe: Recipe, who: str) -> None:
        """Judge by the file that the settings name, as it is now; nothing happens where that is at work already."""
        async with self._changing[recipe.name]:
            if await asyncio.to_thread(bundle_sha256, recipe.settings.bundle) == recipe.judge.sha256:
                return
            await self._replace(recipe, recipe.settings.bundle, who, "bundle loaded")

    async def roll_back(self, recipe: Recipe, who: str) -> None:
        """Judge by the bundle before the one in use; raises UsageError where there was none."""
        async with self._changing[recipe.name]:
            before = await asyncio.to_thread(bundle_before, self._log, recipe.settings)
            if before is None:
                raise UsageError(f"{recipe.name} has had one bundle alone; there is none to go back to")
            await self._replace(recipe, self._shelf.path(before), who, "bundle rolled back")

    async def _replace(self, recipe: Recipe, bundle: Path, who: str, what: str) -> None:
        def note(before: str, after: str) -> AuditEvent:
            return AuditEvent(who, what, details={"recipe": recipe.name, "before": before, "after": after})

        await self._use(recipe, bundle, note)

    async def _use(self, recipe: Recipe, bundle: Path, note: Callable[[str, str], AuditEvent]) -> None:
        """Judge by another bundle from now on, after the next start too; an error changes nothing."""
        before = recipe.judge.sha256
        held = await asyncio.to_thread(self._shelf.held)
        in_use = await asyncio.to_thread(self._shelf.put, bundle)
        try:
            judge = await asyncio.to_thread(Judge, self._shelf.path(in_use), bundle.name)
            try:
                await asyncio.to_thread(use_bundle, self._log, recipe.settings, in_use, before, note(before, in_use))
            except BaseException:
                judge.close()
                raise
        except HizumiError:
            if in_use not in held:  # whoever tries file after file does not fill the disk
                await asyncio.to_thread(self._shelf.remove, in_use)
            raise
        recipe.use(judge)
        self._events.tell(Event("calibration", {"recipe": recipe.name, "bundle_sha256": in_use}))

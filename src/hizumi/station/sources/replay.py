"""Replay of a folder: its pictures again and again, or once, at a steady rate; for demonstrations and trials."""

import asyncio
import os
import random
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hizumi.arguments import PositiveFloat
from hizumi.data.decoding import IMAGE_SUFFIXES
from hizumi.station.entry import Entry
from hizumi.station.sources.files import read_whole
from hizumi.station.sources.source import Arrival, Naming, Source, SourceSettings
from hizumi.station.sources.watching import files_beneath
from hizumi.storage.files import encodable


@dataclass(frozen=True, kw_only=True)
class ReplaySettings(SourceSettings):
    """Keys of a source of the kind "replay".

    Attributes:
        pictures_per_second: One at a time; where the station is slower, it sets the pace.
        order: By the whole path, numbers in it by their value; by the time of writing; or drawn anew for each round.
        loop: Begin again after the last picture.
        name_pattern: See `Naming`.
    """

    path: Path
    pictures_per_second: PositiveFloat = 1.0
    order: Literal["name", "time", "random"] = "name"
    loop: bool = False
    name_pattern: str | None = None

    def __post_init__(self) -> None:
        if self.name_pattern is not None:
            Naming(self.name_pattern)


class ReplaySource(Source):
    """See `ReplaySettings`. Files are left where they are; each time one is shown counts as new."""

    def __init__(self, settings: ReplaySettings) -> None:
        super().__init__(settings.called)
        self.settings = settings
        self.looks_through = settings.path
        self._naming = None if settings.name_pattern is None else Naming(settings.name_pattern)

    async def arrivals(self) -> AsyncIterator[Arrival]:
        """The pictures at their rate; the folder is listed anew for each round."""
        seconds = 1 / self.settings.pictures_per_second
        due = time.monotonic()
        while True:
            paths = await asyncio.to_thread(self._listed)
            for path in paths:
                await asyncio.sleep(due - time.monotonic())
                now = time.monotonic()
                due = (due if now - due < seconds else now) + seconds  # time lost to a slow station is not made up for
                yield await asyncio.to_thread(self._arrival, path)
            if not self.settings.loop:
                return
            if not paths:
                await asyncio.sleep(1)

    async def done(self, arrival: Arrival, entry: Entry) -> None:
        """Leave the file as it is."""

    def _listed(self) -> list[Path]:
        try:
            found = files_beneath(self.settings.path, recursive=True, left_out=None)
            paths = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
            self.trouble = "" if paths else "the folder holds no pictures"
            match self.settings.order:
                case "name":
                    return sorted(paths, key=_by_number)
                case "time":
                    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path))
                case "random":
                    return random.sample(paths, len(paths))
        except OSError as error:
            self.trouble = f"the folder cannot be listed ({os.strerror(error.errno or 0).lower()})"
            return []

    def _arrival(self, path: Path) -> Arrival:
        name = encodable(path.name)
        part, view, notes = ("", "", ()) if self._naming is None else self._naming.read(name)
        read = read_whole(path, follow_links=True)
        content, error = (
            (b"", "was changed or removed while it was read") if read is None else (read.content, read.error)
        )
        recipe = self.settings.recipe
        return Arrival(name, content, self.name, part=part, view=view, recipe=recipe, notes=notes, error=error)


def _by_number(path: Path) -> list[tuple[str, int]]:
    """A key that puts part-9 before part-10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"([^0-9]*)([0-9]*)", str(path))]

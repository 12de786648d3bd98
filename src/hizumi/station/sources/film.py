"""A film: a video file whose frames are taken at a rate of its own time."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hizumi.arguments import PositiveFloat
from hizumi.data.video import OPTIONS, Stated
from hizumi.station.entry import Entry
from hizumi.station.sources.frames import arrival_of, codecs, reason_of, stem_of
from hizumi.station.sources.source import Arrival, Source, SourceSettings
from hizumi.storage.files import encodable, open_regular

ROUNDING_SECONDS = 1e-6  # times of frames are fractions, and those of their rate are not


@dataclass(frozen=True, kw_only=True)
class FilmSettings(SourceSettings):
    """Keys of a source of the kind "film".

    Attributes:
        path: The video file.
        frames_per_second: Of the film's own time; of each such step the first frame is taken, as fast as the station
            can judge.
    """

    path: Path
    frames_per_second: PositiveFloat = 1.0


class FilmSource(Source):
    """See `FilmSettings`. It ends with the film, and begins anew when the station does."""

    def __init__(self, settings: FilmSettings) -> None:
        codecs()  # fail early
        super().__init__(settings.called)
        self.settings = settings

    async def arrivals(self) -> AsyncIterator[Arrival]:
        """The frames; a last arrival has an error where the film cannot be read to its end."""
        pictures = self._pictures()
        try:
            while (arrival := await asyncio.to_thread(next, pictures, None)) is not None:
                yield arrival
        finally:
            with suppress(ValueError):  # a thread is at it still, and is the last to hold it
                pictures.close()

    async def done(self, arrival: Arrival, entry: Entry) -> None:
        """Leave the film as it is."""

    def _pictures(self) -> Generator[Arrival]:
        av = codecs()
        path = self.settings.path
        name = encodable(path.name)
        try:
            with open_regular(path) as file, av.open(file, options=OPTIONS) as container:
                stated = Stated.by(container)
                times: list[float | None] = []
                for seconds, frame in self._chosen(container, times):
                    yield arrival_of(frame, f"{stem_of(path.stem)}-{seconds:09.3f}.png", self.settings)
                reason = stated.missing(times) if times else "it holds no frames"
        except (OSError, ValueError, IndexError) as error:  # PyAV's errors are OSError, ValueError or both
            reason = reason_of(error)
        if reason is not None:
            self.trouble = f"the film cannot be read to its end ({reason})"
            yield Arrival(name, b"", self.name, recipe=self.settings.recipe, error=self.trouble)

    def _chosen(self, container: Any, times: list[float | None]) -> Iterator[tuple[float, Any]]:
        """Frames at the rate, with their times in seconds; `times` becomes those of all frames."""
        step = 1 / self.settings.frames_per_second
        taken = 0
        rate = float(container.streams.video[0].average_rate or 25)
        for number, frame in enumerate(container.decode(video=0)):
            times.append(frame.time)
            seconds = number / rate if frame.time is None else float(frame.time)
            if seconds + ROUNDING_SECONDS >= taken * step:
                taken = int((seconds + ROUNDING_SECONDS) // step) + 1
                yield seconds, frame

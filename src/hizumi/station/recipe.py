"""A recipe at work: its bundle, which can be exchanged while pictures come in."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from hizumi.station.judging import Judge
from hizumi.station.station_file import RecipeSettings


@final
class Recipe:
    """Judges by one bundle at a time. Used from one event loop."""

    def __init__(self, settings: RecipeSettings, bundle: Path | None = None) -> None:
        self.settings = settings
        self._judge = Judge(bundle or settings.bundle)
        self._pictures_with: Counter[Judge] = Counter()

    @property
    def name(self) -> str:
        """As requests and the page name it."""
        return self.settings.name

    @property
    def judge(self) -> Judge:
        """What judges the pictures that arrive now."""
        return self._judge

    @contextmanager
    def at_work(self) -> Iterator[Judge]:
        """The judge of one picture, which stays until the picture is judged, whatever is loaded in between."""
        judge = self._judge
        self._pictures_with[judge] += 1
        try:
            yield judge
        finally:
            self._pictures_with[judge] -= 1
            if judge is not self._judge:
                self._retire(judge)

    async def load(self, bundle: Path) -> None:
        """Judge by another bundle from now on; where it cannot be used, an error, and the former one stays."""
        former, self._judge = self._judge, await asyncio.to_thread(Judge, bundle)
        self._retire(former)

    def close(self) -> None:
        """Answer what waits, then end."""
        self._judge.close()

    def _retire(self, judge: Judge) -> None:
        if self._pictures_with[judge] == 0:
            del self._pictures_with[judge]
            judge.close()  # nothing waits, so that it ends at once

"""A recipe at work: its bundle, which can be exchanged while pictures come in."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from hizumi.errors import BundleError
from hizumi.station.judging import Judge
from hizumi.station.log import AuditEvent, Log
from hizumi.station.shelf import Shelf, bundle_sha256
from hizumi.station.station_file import RecipeSettings

STATE = "bundle of {}"


def recipe_at_work(log: Log, shelf: Shelf, settings: RecipeSettings) -> "Recipe":
    """A recipe with the bundle that it was changed to, where the file in its settings is still the one it began with.

    That lies on the shelf, so that it stays what it is whatever becomes of the file.
    """
    kept, named = log.state(STATE.format(settings.name)), shelf.put(settings.bundle)
    in_use = named if kept is None or kept["fitted"] != named else kept["in_use"]
    return Recipe(settings, shelf.path(in_use), settings.bundle.name if in_use == named else None)


def bundle_before(log: Log, settings: RecipeSettings) -> str | None:
    """SHA-256 of the bundle that a recipe judged by before the present one; None where there was none."""
    kept = log.state(STATE.format(settings.name))
    return None if kept is None else str(kept["before"])


def use_bundle(log: Log, settings: RecipeSettings, in_use: str, before: str, note: AuditEvent) -> None:
    """Have the recipe begin with the bundle of that SHA-256 at the next start too, and note who did it."""
    key = STATE.format(settings.name)
    try:
        fitted = bundle_sha256(settings.bundle)
    except BundleError:  # it is away, which is a reason to go back to another: it counts as it was
        kept = log.state(key)
        fitted = before if kept is None else kept["fitted"]
    log.add((), notes=[note], states={key: {"fitted": fitted, "in_use": in_use, "before": before}})


@final
class Recipe:
    """Judges by one bundle at a time. Used from one event loop.

    `called` is what errors call the bundle, None: by the file's name.
    """

    def __init__(self, settings: RecipeSettings, bundle: Path, called: str | None = None) -> None:
        self.settings = settings
        self._judge = Judge(bundle, called)
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

    def use(self, judge: Judge) -> None:
        """Judge by another bundle from now on."""
        former, self._judge = self._judge, judge
        self._retire(former)

    def close(self) -> None:
        """Answer what waits, then end."""
        self._judge.close()

    def _retire(self, judge: Judge) -> None:
        if self._pictures_with[judge] == 0:
            del self._pictures_with[judge]
            judge.close()  # nothing waits, so that it ends at once

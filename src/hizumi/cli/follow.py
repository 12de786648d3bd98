"""`hizumi inspect --follow`: a recording judged while it is written."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from hizumi.cli.console import BAD, GOOD, QUIET, WARNING, coloured, console_beside
from hizumi.cli.summary import show_promise_over_time
from hizumi.errors import DataError, UsageError
from hizumi.storage.files import with_home
from hizumi.words import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from hizumi.data.series.growing import GrowingRows, Rows
    from hizumi.data.series.stamp_watch import RowTimes
    from hizumi.inspection import InspectorBase
    from hizumi.inspection.following import FollowedEvent, Follower

STANDARD_INPUT = "-"


def follow(inspector: "InspectorBase", paths: list[str], *, adaptive: bool, **said: str | None) -> bool:
    """Print events as they open and close, until the input ends or Ctrl-C is pressed; whether there was any.

    What is `said` of the columns comes before what was learned of them, as for `SeriesOptions.as_typed`.
    """
    from hizumi.data.series.columns import refuse_other_use
    from hizumi.data.series.growing import GrowingRows, growing_text, piped_text
    from hizumi.data.series.options import NO_SERIES_LEARNED, SeriesOptions
    from hizumi.data.series.stamp_watch import RowTimes
    from hizumi.inspection.following import Follower

    if len(paths) != 1:
        raise UsageError(f"--follow reads one file, or standard input (-), and {len(paths)} were given")
    follower, console = Follower.of(inspector, adaptive=adaptive), console_beside(None)
    form = inspector.preprocessing_.series
    assert form is not None, "only series are followed"
    told = SeriesOptions.as_typed(is_series=True, remedy=NO_SERIES_LEARNED, **said)
    assert told is not None, "a series is told of"
    refuse_other_use(told, form.columns)
    where = "standard input" if paths[0] == STANDARD_INPUT else paths[0]
    rows = GrowingRows(
        form.columns,
        where,
        form.step_seconds,
        told.date_order or form.date_order,
        told.group_column or form.group_column,
        told.time_column or form.time_column,
        told.ignore,
        [name for name in (told.group_column, told.time_column, *told.ignore) if name is not None],
    )
    text = piped_text(sys.stdin.fileno()) if paths[0] == STANDARD_INPUT else growing_text(with_home(paths[0]))
    if follower.adaptive is None:
        show_promise_over_time(console, inspector)
    else:
        console.print(follower.adaptive.promise)
    console.print(coloured(_on_time(form.step_seconds), QUIET))
    events, clock = 0, RowTimes()
    for event in _events(follower, rows, text, console, clock):
        events += event.stop is None
        clock.open_since = event.start if event.stop is None else None
        console.print(_shown(event, clock))
    if not follower.fed and paths[0] == STANDARD_INPUT:
        raise DataError(f"{rows.where}: has ended without a row, so that nothing was judged")
    style = BAD if events else GOOD
    console.print(coloured(f"{counted(events, 'event')} in {counted(follower.fed - follower.skipped, 'row')}.", style))
    return events > 0


def _on_time(step_seconds: float | None) -> str:
    if step_seconds is None:
        return "Rows are taken to follow one another; time stamps are not read."
    return f"A row every {step_seconds:g} s; time stamps, where there are any, say where rows break off."


def _events(
    follower: "Follower", rows: "GrowingRows", text: Iterable[str], console: "Console", clock: "RowTimes"
) -> Iterator["FollowedEvent"]:
    failure = None
    try:
        for items in _until_interrupted(text, rows):
            yield from _fed(follower, items, console, clock)
    except DataError as error:
        failure = error
    yield from _ended(follower, console)
    if failure is not None:
        raise failure


def _until_interrupted(text: Iterable[str], rows: "GrowingRows") -> Iterator["Iterable[Rows | DataError]"]:
    """The rows of each piece; a last line without an end counts where the input has ended, not where it was cut off."""
    with suppress(KeyboardInterrupt):
        for piece in text:
            yield rows.feed(piece)
        yield rows.feed("", last=True)


def _fed(
    follower: "Follower", items: "Iterable[Rows | DataError]", console: "Console", clock: "RowTimes"
) -> Iterator["FollowedEvent"]:
    """Rows that cannot be used are named, and end the recording: windows across them would hold a gap."""
    for item in items:
        try:
            if isinstance(item, DataError):
                raise item
            follower.skip_to(item.first)
            events = follower.feed(item.values)
            clock.note(item.first, item.times, kept=2 * follower.delay)
            yield from events
        except DataError as error:
            if not isinstance(item, DataError) and len(item) > 1:
                each = (item.part(slice(row, row + 1)) for row in range(len(item)))
                yield from _fed(follower, each, console, clock)
                continue
            console.print(coloured(f"{error}; a new recording begins", WARNING))
            yield from _ended(follower, console)


def _ended(follower: "Follower", console: "Console") -> Iterator["FollowedEvent"]:
    try:
        yield from follower.finish()
    except DataError as error:
        console.print(coloured(str(error), WARNING))


def _shown(event: "FollowedEvent", clock: "RowTimes") -> "Text":
    def named(row: int) -> str:
        time = clock.at(row)
        return f"{row:,}{time and f' ({time})'}"

    if event.stop is None:
        return coloured(f"anomalous since row {named(event.start)}: score {event.peak:.6g}", BAD)
    rows = f"rows {named(event.start)} to {named(event.stop - 1)}"
    return coloured(f"anomalous in {rows}: highest score {event.peak:.6g}, in row {named(event.peak_step)}", BAD)

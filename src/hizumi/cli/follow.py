"""`hizumi inspect --follow`: a recording judged while it is written."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hizumi.cli.console import BAD, GOOD, QUIET, WARNING, coloured, console_beside
from hizumi.cli.summary import show_promise_over_time
from hizumi.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.text import Text

    from hizumi.data.series.growing import GrowingRows
    from hizumi.inspection import InspectorBase
    from hizumi.inspection.following import FollowedEvent, Follower

STANDARD_INPUT = "-"


def follow(inspector: "InspectorBase", paths: list[str]) -> bool:
    """Print events as they open and close, until the input ends or Ctrl-C is pressed; whether there was any."""
    from hizumi.data.series.growing import GrowingRows, growing_text, piped_text
    from hizumi.inspection.following import Follower

    if len(paths) != 1:
        raise UsageError(f"--follow reads one file, or standard input (-), and {len(paths)} were given")
    follower, console = Follower.of(inspector), console_beside(None)
    columns = inspector.preprocessing_.series.columns if inspector.preprocessing_.series else ()
    rows = GrowingRows(columns, "standard input" if paths[0] == STANDARD_INPUT else paths[0])
    text = piped_text(sys.stdin.fileno()) if paths[0] == STANDARD_INPUT else growing_text(Path(paths[0]).expanduser())
    show_promise_over_time(console, inspector)
    console.print(
        coloured("Rows are taken to follow one another at the rate learned; time stamps are not read.", QUIET)
    )
    events = 0
    for event in _events(follower, rows, text, console):
        events += event.stop is None
        console.print(_shown(event))
    style = BAD if events else GOOD
    console.print(coloured(f"{events} event{'' if events == 1 else 's'} in {follower.fed:,} rows.", style))
    return events > 0


def _events(
    follower: "Follower", rows: "GrowingRows", text: Iterable[str], console: "Console"
) -> Iterator["FollowedEvent"]:
    for piece in _until_interrupted(text):
        yield from _fed(follower, rows.feed(piece), console)
    yield from _fed(follower, rows.feed("", last=True), console)
    yield from _ended(follower, console)


def _until_interrupted(text: Iterable[str]) -> Iterator[str]:
    with suppress(KeyboardInterrupt):
        yield from text


def _fed(
    follower: "Follower", items: "Iterable[np.ndarray | DataError]", console: "Console"
) -> Iterator["FollowedEvent"]:
    """Rows that cannot be used are named, and end the recording: windows across them would hold a gap."""
    for item in items:
        before = follower.fed
        try:
            if isinstance(item, DataError):
                raise item
            yield from follower.feed(item)
        except DataError as error:
            if not isinstance(item, DataError) and len(item) > 1 and follower.fed == before:
                yield from _fed(follower, (item[row : row + 1] for row in range(len(item))), console)
                continue
            console.print(coloured(f"{error}; a new recording begins after it", WARNING))
            yield from _ended(follower, console)


def _ended(follower: "Follower", console: "Console") -> Iterator["FollowedEvent"]:
    try:
        yield from follower.finish()
    except DataError as error:
        console.print(coloured(str(error), WARNING))


def _shown(event: "FollowedEvent") -> "Text":
    if event.stop is None:
        return coloured(f"anomalous since row {event.start:,}: score {event.peak:.6g}", BAD)
    rows = f"rows {event.start:,} to {event.stop - 1:,}"
    return coloured(f"anomalous in {rows}: highest score {event.peak:.6g}, in row {event.peak_step:,}", BAD)

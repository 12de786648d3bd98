"""What the commands say to people. Importing this is cheap; rich is loaded by the first call."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hizumi.storage.files import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDTH_OUTSIDE_TERMINALS = 120

GOOD, BAD, WARNING, QUIET = "green", "bold red", "yellow", "dim"


def console_beside(json_to: str | None) -> "Console":
    """Where to write for people: standard output, or standard error where standard output carries JSON."""
    from rich.console import Console

    console = Console(stderr=json_to == "-", markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width, console.soft_wrap = WIDTH_OUTSIDE_TERMINALS, True
    return console


def answer(
    result: Mapping[str, Any], json_to: str | None, rows: Iterable[Mapping[str, Any]] = (), csv_to: str | None = None
) -> "Console":
    """Write the result as JSON and its rows as CSV where asked for; return where to write for people."""
    if json_to is not None:
        from hizumi.storage.tables import write_json

        write_json(json_to, result)
    if csv_to is not None:
        from hizumi.storage.tables import write_csv

        write_csv(csv_to, rows)
    return console_beside("-" if "-" in (json_to, csv_to) else None)


def print_table(console: "Console", columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table; columns whose name starts with ">" are right-aligned."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        right = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if right else "left", overflow="fold", no_wrap=place == 0
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    console.print(table, soft_wrap=False)


def coloured(text: str, style: str) -> "Text":
    """A cell or a line in one of this module's styles."""
    from rich.text import Text

    return Text(printable(text), style)


def lines(text: str) -> "Text":
    """A cell of several lines."""
    from rich.text import Text

    return Text("\n".join(map(printable, text.split("\n"))))

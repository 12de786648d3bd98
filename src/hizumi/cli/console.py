"""What the commands say to people. Importing this is cheap; rich is loaded by the first call."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hizumi.storage.files import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDTH_OUTSIDE_TERMINALS = 120
WIDER_THAN_ANY = 100_000
LEAST_TEXT = 10  # characters of a broken line in a table

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
    """Print a table; columns whose name starts with ">" are of numbers, right-aligned.

    Where there is too little room, text is broken, in the first column last. A number never is, since its parts would
    read as numbers: what is still too wide goes beyond the edge.
    """
    from rich.text import Text

    cells = [[cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row] for row in rows]
    table = _table(columns, cells)
    if _width(table, console) > (width := console.width):
        whole = _width(_table(columns, cells, is_narrow=True, text_width=LEAST_TEXT), console) <= width
        least = _width(_table(columns, cells, is_narrow=True, first_whole=whole, text_width=LEAST_TEXT), console)
        table = _table(columns, cells, is_narrow=True, first_whole=whole)
        table.width = least if least > width else None
    table.title = title or None
    console.print(table, soft_wrap=False, crop=False)


def _table(
    columns: Sequence[str],
    cells: Iterable[Sequence["Text"]],
    *,
    is_narrow: bool = False,
    first_whole: bool = True,
    text_width: int | None = None,
) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        of_numbers = column.startswith(">")
        name, whole = column.removeprefix(">"), of_numbers or (place == 0 and first_whole)
        table.add_column(
            name.replace(" ", "\n") if of_numbers and is_narrow else name,
            justify="right" if of_numbers else "left",
            overflow="fold",
            no_wrap=is_narrow and whole,
            max_width=None if whole else text_width,
        )
    for row in cells:
        table.add_row(*row)
    return table


def _width(table: "Table", console: "Console") -> int:
    """How wide a table would be if there were room."""
    return console.measure(table, options=console.options.update(width=WIDER_THAN_ANY)).maximum


def coloured(text: str, style: str) -> "Text":
    """A cell or a line in one of this module's styles."""
    from rich.text import Text

    return Text(printable(text), style)


def lines(text: str) -> "Text":
    """A cell of several lines."""
    from rich.text import Text

    return Text("\n".join(map(printable, text.split("\n"))))

"""`hizumi station`: what a station remembers, written out; and who may reach it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, WARNING, coloured, console_beside, print_table
from hizumi.cli.serve import TOKENS, Folder, StationPath, refuse_missing_extra, settings_of
from hizumi.cli.strict import Application
from hizumi.errors import UsageError
from hizumi.storage.files import printable, refuse_unwritable, refuse_unwritable_folder, refuse_unwritable_text
from hizumi.words import counted

if TYPE_CHECKING:
    from hizumi.station.log import Log
    from hizumi.station.station_file import StationSettings

OPEN = "Nobody has a token: the station listens on its own machine alone, and lets whoever reaches it do everything."
app = Application(help="What a station remembers, and who may reach it.")


@dataclass(frozen=True)
class Chosen:
    """Which inspections are meant."""

    heading: ClassVar[str] = "Which inspections"

    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Inspected then or later: 2026-05-01, or 2026-05-01T06:00.")
    ] = None
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Inspected before then.")] = None
    recipe: Annotated[str | None, typer.Option(metavar="NAME", help="By this recipe alone.")] = None
    part: Annotated[str | None, typer.Option(metavar="CODE", help="Of this part alone.")] = None

    def filters(self) -> dict[str, Any]:
        """As the log takes them; times without a zone are this computer's."""
        since, until = _moment(self.since, "--since"), _moment(self.until, "--until")
        if since is not None and until is not None and until <= since:
            raise UsageError(f"--until {self.until} is not after --since {self.since}: nothing lies between them")
        return {"since": since, "until": until, "recipe": self.recipe, "part": self.part}


@app.command()
@options.grouped
def export(
    station: StationPath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="A .csv or .parquet file.")],
    *,
    chosen: Chosen,
    alarms: Annotated[
        bool, typer.Option("--alarms", help="Drift alarms that held at that time, in place of inspections.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Write inspections and reviews, or alarms, as a table."""
    refuse_unwritable(output) if output.suffix.lower() == ".parquet" else refuse_unwritable_text(output)
    if output.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"{printable(output)} is neither .csv nor .parquet; name one that is")
    filters, written = chosen.filters(), options.shown_place(output)
    if alarms and filters.pop("part") is not None:
        raise UsageError("a drift alarm is about no single part; leave out --part, or --alarms")
    settings = settings_of(station, folder)
    _refuse_over_station(station, settings, output)
    with _log(settings) as log:
        from hizumi.station.exporting import alarms_of, export_csv, export_parquet, inspections_of

        write = export_csv if output.suffix.lower() == ".csv" else export_parquet
        count = write((alarms_of if alarms else inspections_of)(log, **filters), output)
    what = counted(count, "drift alarm" if alarms else "inspection")
    console_beside(None).print(coloured(f"Wrote {what} to {written}.", GOOD))


@app.command()
@options.grouped
def report(
    station: StationPath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="An HTML file, to read or print.")],
    *,
    chosen: Chosen,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", show_default=False, help="What stands above it; Audit report.")
    ] = None,
    language: Annotated[Literal["en", "ja"], typer.Option(help="What it is written in: English or Japanese.")] = "en",
    folder: Folder = None,
) -> None:
    """Write the audit report of a shift or a lot.

    It holds verdicts, reviews, changes of limits, alarms and losses.
    """
    refuse_unwritable_text(output)
    filters, written, settings = chosen.filters(), options.shown_place(output), settings_of(station, folder)
    _refuse_over_station(station, settings, output)
    with _log(settings) as log:
        from hizumi.station.audit import write_audit_report

        write_audit_report(log, output, title=title, language=language, **filters)
    console_beside(None).print(coloured(f"The report is {written}.", GOOD))


@app.command()
@options.grouped
def labelled(
    station: StationPath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="A folder that is empty or new.")],
    *,
    chosen: Chosen,
    folder: Folder = None,
) -> None:
    """Write reviewed pictures as a labelled set.

    hizumi evaluate takes it, with masks of the regions that were drawn.
    """
    refuse_unwritable_folder(output)
    filters, settings, console = chosen.filters(), settings_of(station, folder), console_beside(None)
    _refuse_over_station(station, settings, output)
    with _log(settings) as log:
        from hizumi.station.labelled_set import export_labelled_set
        from hizumi.station.pictures import Pictures

        made = export_labelled_set(log, Pictures(settings.folder / "pictures"), output, **filters)
    for place, count in made.counts.items():
        console.print(f"{place}: {count}")
    for note in made.notes:
        console.print(coloured(note, WARNING))
    console.print(coloured(f"Wrote {output}; its labels.csv says what each picture was.", GOOD))


@app.command()
def token(
    station: StationPath,
    name: Annotated[
        str, typer.Argument(metavar="NAME", show_default=False, help="Whose it is, as the log is to name them.")
    ],
    role: Annotated[
        Literal["read", "review", "admin"],
        typer.Option(help="read: send pictures and look; review: also say what is right; admin: also change limits."),
    ] = "review",
    folder: Folder = None,
    *,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Make an earlier one worthless instead.")] = False,
) -> None:
    """Give out a token, which is shown once.

    From the next start on, the station asks for one.
    """
    from hizumi.serving.access import Access, give_token, withdraw_token

    settings, console = settings_of(station, folder), console_beside(None)
    path = settings.folder / TOKENS
    if withdraw:
        withdraw_token(path, name)
        console.print(f"The token of {name} is worthless from the next start of the station on.")
        if not Access.read(path).tokens:
            console.print(coloured(OPEN, WARNING))
        return
    if any(earlier.name == name for earlier in Access.read(path).tokens):
        console.print(f"The earlier token of {name} is worthless from the next start of the station on.")
    secret = give_token(path, name, role)
    console.print(f"The token of {name} ({role}), which is not shown again:")
    console.print(coloured(secret, GOOD))


@app.command()
def tokens(station: StationPath, folder: Folder = None) -> None:
    """Say who has a token."""
    from hizumi.serving.access import Access

    found = Access.read(settings_of(station, folder).folder / TOKENS).tokens
    if not found:
        console_beside(None).print(coloured(OPEN, WARNING))
        return
    print_table(console_beside(None), ["name", "role"], [[token.name, token.role] for token in found])


def _refuse_over_station(station: Path, settings: "StationSettings", output: Path) -> None:
    """Make sure that what is written takes the place of nothing that the station is, or remembers."""
    options.refuse_over_inputs([station], output=output)
    if settings.folder.resolve() in (output.resolve(), *output.resolve().parents):
        raise UsageError(f"--output {printable(output)} lies in the station's own folder; name a place outside")


@contextmanager
def _log(settings: "StationSettings") -> Iterator["Log"]:
    """The log of a station, which may be at work meanwhile."""
    refuse_missing_extra()
    url = settings.log_url
    if settings.database is None and not settings.log_path.is_file():
        raise UsageError(f"{printable(settings.folder)} holds no log of a station; name its folder (--folder)")

    from hizumi.station.log import Log

    log = Log.open(url)
    try:
        yield log
    finally:
        log.close()


def _moment(value: str | None, option: str) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} is {printable(value)!r}; give a time such as 2026-05-01T06:00") from error

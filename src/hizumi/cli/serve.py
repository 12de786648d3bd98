"""`hizumi serve`: a station at a local address."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hizumi.cli.console import GOOD, QUIET, WARNING, coloured, console_beside
from hizumi.errors import MissingExtraError, UsageError
from hizumi.memory import leave_out_of_collections
from hizumi.storage.files import printable, refuse_unwritable_folder

if TYPE_CHECKING:
    from hizumi.serving.guard import Limits
    from hizumi.station.station_file import StationSettings

TOKENS = "tokens.json"

StationPath = Annotated[
    Path, typer.Argument(metavar="STATION", show_default=False, help="A bundle, or a station file (.toml).")
]
Folder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where log and pictures lie; NAME-station if not given, or as the file says."),
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Where to listen; 0: any free one.")]


def serve(
    station: StationPath,
    folder: Folder = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    host_name: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name that the station may be called by, beside its own.")
    ] = None,
    largest_mib: Annotated[
        int, typer.Option("--largest-mib", metavar="N", min=1, max=4096, help="Of all that one request may send.")
    ] = 64,
) -> None:
    """Open a station that judges pictures as they come.

    It remembers them in a log and shows them on a page. Listens on this machine alone, until there is a token:
    hizumi station token.
    """
    settings = settings_of(station, folder)
    refuse_missing_extra()
    refuse_unwritable_folder(settings.folder)

    from hizumi.serving.guard import Limits

    open_station(settings, host, port, Limits(body_bytes=largest_mib << 20, hosts=tuple(host_name or ())))


def open_station(settings: "StationSettings", host: str, port: int, limits: "Limits | None" = None) -> None:
    """Open a station, say where, and wait until it is closed."""
    import asyncio

    from hizumi.serving.access import Access
    from hizumi.serving.guard import Limits
    from hizumi.serving.server import serve as served
    from hizumi.station.settings import is_loopback
    from hizumi.station.station import Station as Opened
    from hizumi.storage.locks import locked

    access, console = Access.read(settings.folder / TOKENS), console_beside(None)
    if not access.tokens and not is_loopback(host):
        raise UsageError(
            f"whoever reaches {printable(host)} could do everything: give out a token first (hizumi station token), "
            "or listen on 127.0.0.1"
        )

    def say(address: str) -> None:
        console.print(coloured(f"The station is open at {address}", GOOD))
        console.print(f"Its log and pictures lie in {printable(settings.folder)}. Ctrl-C closes it.")
        for missing, user in settings.missing:
            console.print(coloured(f"{printable(missing)} is not there; {printable(user)} needs it.", WARNING))

    async def run() -> None:
        opened = Opened.open(settings)
        for name, recipe in opened.recipes.items():
            console.print(coloured(f"{name}: {recipe.judge.inspector.options_['detector']['name']}", QUIET))
        leave_out_of_collections()
        await served(opened, host=host, port=port, access=access, limits=limits or Limits(), say=say)

    with locked(settings.folder):  # a second station would deliver everything once more
        asyncio.run(run())
    console.print("The station is closed.")


def settings_of(station: Path, folder: Path | None) -> "StationSettings":
    """What a station file says, or what a bundle alone does; raises UsageError where there is no such file."""
    from dataclasses import replace

    from hizumi.station.station_file import read_station_file, station_of

    if not station.is_file():
        raise UsageError(f"{printable(station)}: there is no such file; name a bundle, or a station file (.toml)")
    if station.suffix.lower() != ".toml":
        return station_of(station, folder)
    settings = read_station_file(station)
    return settings if folder is None else replace(settings, folder=folder)


def refuse_missing_extra() -> None:
    """Raise MissingExtraError where the packages of a station are not installed."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "prometheus_client")):
        raise MissingExtraError("a station needs further packages: pip install 'hizumi[serve]'")

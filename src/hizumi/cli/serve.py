"""`hizumi serve`: a station at a local address; `hizumi station`: who may reach it."""

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hizumi.cli.console import GOOD, QUIET, WARNING, coloured, console_beside, print_table
from hizumi.errors import MissingExtraError, UsageError
from hizumi.storage.files import printable, refuse_unwritable_folder

if TYPE_CHECKING:
    from hizumi.serving.guard import Limits
    from hizumi.station.station_file import StationSettings

TOKENS = "tokens.json"

app = typer.Typer(help="A station's tokens.", no_args_is_help=True)

Station = Annotated[
    Path, typer.Argument(metavar="STATION", show_default=False, help="A bundle, or a station file (.toml).")
]
Folder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where log and pictures lie; NAME-station if not given, or as the file says."),
]


Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Where to listen; 0: any free one.")]


def serve(
    station: Station,
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
    """Open a station: pictures in, verdicts out, remembered in a log and shown on a page.

    Listens on this machine alone, until there is a token: hizumi station token.
    """
    settings = _settings(station, folder)
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
    from hizumi.station.station import Station as Opened

    access, console = Access.read(settings.folder / TOKENS), console_beside(None)
    if not access.tokens and not _is_loopback(host):
        raise UsageError(
            f"whoever reaches {printable(host)} could do everything: give out a token first (hizumi station token), "
            "or listen on 127.0.0.1"
        )

    def say(address: str) -> None:
        console.print(coloured(f"The station is open at {address}", GOOD))
        console.print(f"Its log and pictures lie in {printable(settings.folder)}. Ctrl-C closes it.")

    async def run() -> None:
        opened = Opened.open(settings)
        for name, recipe in opened.recipes.items():
            console.print(coloured(f"{name}: {recipe.judge.inspector.options_['detector']['name']}", QUIET))
        await served(opened, host=host, port=port, access=access, limits=limits or Limits(), say=say)

    asyncio.run(run())
    console.print("The station is closed.")


@app.command()
def token(
    station: Station,
    name: Annotated[str, typer.Argument(show_default=False, help="Whose it is, as the log is to name them.")],
    role: Annotated[
        Literal["read", "review", "admin"],
        typer.Option(help="read: send pictures and look; review: also say what is right; admin: also change limits."),
    ] = "review",
    folder: Folder = None,
    *,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Make an earlier one worthless instead.")] = False,
) -> None:
    """Give out a token, which is shown once; from the next start the station asks for one."""
    from hizumi.serving.access import give_token, withdraw_token

    settings, console = _settings(station, folder), console_beside(None)
    path = settings.folder / TOKENS
    if withdraw:
        withdraw_token(path, name)
        console.print(f"The token of {name} is worthless from the next start of the station on.")
        return
    secret = give_token(path, name, role)
    console.print(f"The token of {name} ({role}), which is not shown again:")
    console.print(coloured(secret, GOOD))


@app.command()
def tokens(station: Station, folder: Folder = None) -> None:
    """Say who has a token."""
    from hizumi.serving.access import Access

    found = Access.read(_settings(station, folder).folder / TOKENS).tokens
    if not found:
        console_beside(None).print(coloured("Nobody has one: the station listens on its own machine alone.", WARNING))
        return
    print_table(console_beside(None), ["name", "role"], [[token.name, token.role] for token in found])


def _settings(station: Path, folder: Path | None) -> "StationSettings":
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

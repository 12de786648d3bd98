"""`hizumi demo`: the main job on data that comes with the package."""

from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, answer, coloured, console_beside
from hizumi.cli.evaluate import refuse_unwritable_assessment, write_assessment
from hizumi.cli.progress import shown_progress
from hizumi.cli.serve import Port, open_station, refuse_missing_extra
from hizumi.cli.summary import show_assessment, show_fit
from hizumi.words import as_typed


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for what it writes.")] = Path(
        "hizumi-demo"
    ),
    steps: options.Steps = None,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Open a station afterwards, and show it a stream of bricks; it takes a minute."),
    ] = False,
    port: Port = 8000,
    json_to: options.JsonTo = None,
) -> None:
    """Show the main job on built-in data, from images to a report.

    Learns good brick from one part of a photograph and finds drawn defects in another. With --serve, the detector of an
    earlier demo is used where there is one.
    """
    bundle = output / "brick.hizumi"
    if serve:
        refuse_missing_extra()
        if bundle.is_file():
            return _serve(bundle, output, port)
    refuse_unwritable_assessment(output)
    report, written = options.shown_place(output / "report.html"), options.shown_place(bundle)

    from hizumi.data import open_source
    from hizumi.inspection import Inspector, held_out, save
    from hizumi.report import overview
    from hizumi.report.assessment import assess
    from hizumi.storage.files import write_atomically

    manifest = open_source("brick")
    inspector = Inspector("reconstruction", training=options.TrainingArguments(steps=steps).options())
    console_beside(json_to).print("Learning good brick from 3,000 crops of a photograph; this takes a minute or two.")
    with shown_progress() as observe:
        inspector.fit(manifest, observe=observe)
        content = assess(inspector, held_out(inspector, manifest), observe=observe)
    save(inspector, bundle)
    result = write_assessment(output, content, {"bundle": str(bundle), "data": manifest.name})
    if (sheet := overview(content)) is not None:
        write_atomically(output / "overview.png", sheet)
    console = answer(result, json_to)
    show_fit(console, inspector)
    show_assessment(console, content)
    console.print(coloured(f"The report is {report}", GOOD))
    console.print(f"The detector is {written}: try hizumi info {as_typed(bundle)}, or fit your own: hizumi fit FOLDER")
    return _serve(bundle, output, port) if serve else None


def _serve(bundle: Path, output: Path, port: int) -> None:
    from hizumi.station.demonstration import demonstration

    # A station remembers: each show begins with an empty one.
    folder = next(place for number in count(1) if not (place := output / f"station-{number}").exists())
    console_beside(None).print(
        "The stream shows good bricks, then some with defects, and after 40 seconds a lamp that dims."
    )
    open_station(demonstration(bundle, folder), "127.0.0.1", port)

"""`hizumi inspect`: verdicts on new images."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hizumi.cli import options
from hizumi.cli.console import BAD, GOOD, answer, coloured, print_table
from hizumi.cli.progress import shown_progress
from hizumi.cli.summary import refuse_nothing, show_remarks, unread
from hizumi.errors import UsageError
from hizumi.runs.results import inspection_result

if TYPE_CHECKING:
    from rich.console import Console

    from hizumi.calibration import Verdict
    from hizumi.data import Failure, Manifest
    from hizumi.inspection import InspectorBase

ROWS_SHOWN = 20
ANOMALOUS_FOUND = 3


def inspect(
    bundle: options.BundlePath,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATHS...", show_default=False, help="Images, folders, or one file that holds arrays."),
    ],
    json_to: options.JsonTo = None,
    csv_to: options.CsvTo = None,
    maps: Annotated[
        Path | None,
        typer.Option("--maps", metavar="DIR", help="Write a picture of what is wrong for each image into this folder."),
    ] = None,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help="Exit with 3 where something is anomalous.")
    ] = False,
    strict: options.Strict = False,
) -> None:
    """Say of new inputs whether they are normal, and where not.

    Exits with 0 whatever the verdicts, unless --fail-on-anomaly is given, and names what could not be read; with 2
    where nothing could, or with --strict where one could not.
    """
    from hizumi.data import open_source

    options.refuse_two_on_standard_output(json_to, csv_to)
    inspector = _loaded(bundle)
    if maps is not None and inspector.calibration_.pixel_threshold is None:
        raise UsageError(f"{bundle}: its detector gives no maps; leave --maps out, or fit one that does (hizumi list)")
    data = paths[0] if len(paths) == 1 else paths
    manifest = open_source(data, motion=inspector.uses_motion, table=inspector.preprocessing_.table)
    verdicts, failures = _inspected(inspector, manifest, maps, strict)
    result = inspection_result(inspector.options_, inspector.calibration_, verdicts, failures, manifest.notes)
    rows = (verdict.to_row() for verdict in verdicts)
    console = answer({"bundle": str(bundle)} | result, json_to, rows, csv_to)
    _show(console, verdicts, failures, manifest.notes)
    if maps is not None:
        console.print(f"Maps are in {maps}.")
    if fail_on_anomaly and any(verdict.anomalous for verdict in verdicts):
        raise typer.Exit(ANOMALOUS_FOUND)


def _loaded(bundle: Path) -> "InspectorBase":
    from hizumi.storage.archive import kind_of

    if kind_of(bundle) == "exported":
        from hizumi import runtime

        return runtime.load(bundle)
    from hizumi import inspection

    return inspection.restore(bundle)


def _inspected(
    inspector: "InspectorBase", manifest: "Manifest", maps: Path | None, strict: bool
) -> tuple[list["Verdict"], list[tuple[str, str]]]:
    """All verdicts; maps go to their folder one by one, since together they might not fit into memory."""
    from dataclasses import replace

    from hizumi.calibration import Verdict

    verdicts: list[Verdict] = []
    failures: list[Failure] = []
    with shown_progress() as observe:
        for item in inspector.inspect_each(manifest, pictures=maps is not None, strict=strict, observe=observe):
            if not isinstance(item, Verdict):
                failures.append(item)
                continue
            if maps is not None:
                from hizumi.report.panels import save_map  # draws with matplotlib, which takes a second to load

                save_map(item, inspector.calibration_, _map_path(maps, item.name))
            verdicts.append(replace(item, map=None, picture=None, normal=None))
    refuse_nothing(len(verdicts), unread(failures))
    return verdicts, unread(failures)


def _map_path(folder: Path, name: str) -> Path:
    """Under the folder whatever the name, and apart from the map of an image with the same name but for its ending."""
    parts = [part for part in Path(name).parts if part not in ("..", Path(name).anchor)]
    return folder.joinpath(*parts[:-1], f"{parts[-1]}-map.png")


def _show(
    console: "Console", verdicts: list["Verdict"], failures: list[tuple[str, str]], notes: tuple[str, ...]
) -> None:
    anomalous = [verdict for verdict in verdicts if verdict.anomalous]
    shown = sorted(verdicts if len(verdicts) <= ROWS_SHOWN else anomalous, key=lambda verdict: -verdict.score)
    if shown:
        columns = ["", "Name", ">Score", ">p-value", ">Regions"]
        print_table(console, columns, _rows(shown[:ROWS_SHOWN]))
    if len(shown) > ROWS_SHOWN:
        console.print(f"... and {len(shown) - ROWS_SHOWN} more that are anomalous; --csv FILE lists all.")
    show_remarks(console, notes, failures)
    line = f"{len(anomalous)} of {len(verdicts)} anomalous (score over {verdicts[0].threshold:.6g})."
    if failures:
        line += f" {len(failures)} could not be read."
    console.print(coloured(line, BAD if anomalous else GOOD))


def _rows(verdicts: Iterable["Verdict"]) -> Iterable[list[object]]:
    for verdict in verdicts:
        sign = coloured("anomalous", BAD) if verdict.anomalous else coloured("normal", GOOD)
        yield [sign, verdict.name, f"{verdict.score:.6g}", f"{verdict.p_value:.3g}", len(verdict.boxes)]

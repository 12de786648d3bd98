"""`hizumi reproduce`: published results run again, under the authors' protocol and under an honest one."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hizumi.cli.console import BAD, GOOD, answer, coloured, console_beside, lines, print_table
from hizumi.cli.options import (
    Accelerator,
    JsonTo,
    WorkplaceArguments,
    grouped,
    names_between_commas,
    refuse_missing,
)
from hizumi.cli.progress import advising
from hizumi.errors import HizumiError, UsageError
from hizumi.registry.names import refuse_unknown
from hizumi.storage.files import refuse_unwritable_folder, with_home

if TYPE_CHECKING:
    from hizumi.reproduction.ledger import Row
    from hizumi.reproduction.protocol import Protocol

LEDGER = Path("benchmarks/results/ledger")


@grouped
def reproduce(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A protocol; --list shows them.")] = None,
    *,
    list_them: Annotated[bool, typer.Option("--list", help="Show the protocols and stop.")] = False,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Folder with the published files.")
    ] = None,
    detectors: Annotated[
        str | None, typer.Option("--detectors", "-d", metavar="A,B", help="The protocol's own, if not given.")
    ] = None,
    protocol: Annotated[
        Literal["honest", "paper", "both"],
        typer.Option("--protocol", help="Without leaks, as the authors did, or both."),
    ] = "both",
    budget: Annotated[
        Literal["short", "paper"],
        typer.Option("--budget", help="short: presets and subsets, minutes on two cores; paper: the whole."),
    ] = "short",
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", min=1, help="Runs of each case, with seeds 0 to N-1.")
    ] = 3,
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="A,B", help="Cases of the protocol; all if not given.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where results are kept, and gone on with.")
    ] = LEDGER,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="Write the table of all results in DIR, and stop.")
    ] = None,
    accelerator: Accelerator = "cpu",
    where: WorkplaceArguments,
    json_to: JsonTo = None,
) -> None:
    """Run published experiments again, beside what was published.

    Each run is added to its row's file when it is done, and is not made again: an interrupted call goes on where it
    stopped.
    """
    if list_them:
        from hizumi.reproduction.protocols import PROTOCOLS

        shown = [[p.name, p.about, ", ".join(p.figures.values()), len(p.cases)] for p in PROTOCOLS.values()]
        columns = ["Protocol", "What it is", "Figures", ">Cases"]
        print_table(console_beside(json_to), columns, shown, "hizumi reproduce NAME --data FOLDER")
        return
    if page is not None:
        from hizumi.report.ledger import ledger_page
        from hizumi.reproduction.ledger import read_ledger
        from hizumi.storage.files import write_atomically

        write_atomically(page, ledger_page(read_ledger(output)).encode())
        typer.echo(f"Wrote {page}.")
        return
    if name is None or data is None:
        raise UsageError("name a protocol and --data, the folder with its files; --list shows the protocols")
    data = with_home(data)
    if not data.is_dir():
        raise UsageError(f"--data {data}: there is no such folder; name the one with the published files")
    names = names_between_commas(detectors or "", "--detectors")
    for row in names:
        refuse_unknown(row.partition("(")[0], "detector")
    from hizumi.reproduction.protocols import find_protocol

    found = find_protocol(name)
    chosen = names_between_commas(classes or "", "--classes")
    for case in chosen:
        found.refuse_unknown_case(case)
    refuse_unwritable_folder(output)
    refuse_missing(accelerator)
    from hizumi.registry import detector_class
    from hizumi.reproduction.entrants import detector_of, entrant, rows_of
    from hizumi.reproduction.protocol import MODES
    from hizumi.reproduction.rows import RowToRun
    from hizumi.scale.reproducing import reproduced

    names = names or rows_of(found)
    modes = MODES if protocol == "both" else (protocol,)
    for row in names:
        detector_class(detector_of(row))  # refuses a name that is none
    pool = found.read(data)
    asked: list[RowToRun] = []
    refused: dict[str, HizumiError] = {}
    for row, mode in product(names, modes):
        try:
            asked.append(RowToRun(found, entrant(row, found, mode, budget, accelerator), mode, budget, output))
        except HizumiError as error:
            refused[f"{row}, {mode}"] = error
    goes_on = f"To go on with the runs that are not in {output} yet, give the same command again."
    with advising(goes_on), where.workplace() as workplace:
        rows, failed = reproduced(asked, pool, chosen or found.cases_in(pool), seeds, workplace)
    _report(found, rows, refused | failed, output, json_to)


def _report(
    protocol: "Protocol", rows: Sequence["Row"], failed: dict[str, HizumiError], output: Path, json_to: str | None
) -> None:
    from hizumi.report.ledger import COLUMNS, table_rows

    console = answer({"rows": [{"request": row.request, "runs": row.runs} for row in rows]}, json_to)
    table = [line[:-1] for line in table_rows(protocol, rows)]  # differences are told on the page
    filled = [place for place, cells in enumerate(zip(*table, strict=True)) if {*cells} != {"-"}]
    shown = [[line[0], *(lines(line[place].replace(", ", "\n")) for place in filled[1:])] for line in table]
    if shown:
        print_table(console, [COLUMNS[place] for place in filled], shown, protocol.about)
    for name, error in failed.items():
        console.print(coloured(f"{name} failed: {error}", BAD))
    console.print(coloured(f"Results are in {output}", GOOD))
    if failed:
        raise typer.Exit(1)

"""`hizumi model`: train generative models, and use them."""

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, answer, coloured, console_beside, print_table
from hizumi.cli.making import (
    MADE_ROWS,
    SAMPLE,
    SHEET,
    SHEET_COLUMNS,
    folder_for,
    noted,
    sample_name,
    table_in,
    write_fan,
    write_made,
    write_recordings,
    write_rows,
    write_samples,
    write_sheet,
    write_singly,
)
from hizumi.cli.progress import shown_progress
from hizumi.cli.strict import Application
from hizumi.cli.summary import refuse_nothing, show_remarks, unread
from hizumi.cli.train import train
from hizumi.cli.walk import walk
from hizumi.errors import UsageError
from hizumi.runs.results import likelihood_result
from hizumi.words import counted

if TYPE_CHECKING:
    from hizumi.generation import Modeller

SHEET_SAMPLES = 64
LEAST_LIKELY_SHOWN = 10

app = Application(
    rich_markup_mode=None,
    help="Train generative models, and make new items with them.",
)

Input = Annotated[
    str,
    typer.Argument(
        metavar="IN",
        show_default=False,
        callback=options.refuse_absent,
        help="An image, a folder, a table, or a built-in set.",
    ),
]
Output = Annotated[
    Path,
    typer.Argument(
        metavar="OUT",
        show_default=False,
        callback=options.writable_folder_or_table,
        help="Folder for images, or a .csv file for rows.",
    ),
]
app.command()(train)


@app.command()
def sample(
    model: options.ModelPath,
    count: Annotated[int, typer.Option("--count", "-n", metavar="N", min=1, help="How many.")] = 64,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Of each series, where that is more or less than a window of what was learned."
        ),
    ] = None,
    seed: options.Seed = 0,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", metavar="CLASS", help="Only of this class; may be repeated.")
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            callback=options.writable_folder_or_table,
            help="Folder for what is made.",
        ),
    ] = Path("samples"),
) -> None:
    """Make new items.

    Images come as one file each and all on one sheet, rows as one table; each with its class where the model knows
    classes. Series come as one table each, and all in one picture; with --steps, by models that continue what they have
    made.
    """
    from hizumi.generation import load

    modeller = load(model)
    in_turn = kinds or modeller.classes_
    _refuse_others_samples(output, count, in_turn)
    chosen = islice(cycle(kinds), count) if kinds else None
    form = modeller.preprocessing_.series
    picture = output / (SHEET if form is None else "fan.png")
    place = table_in(output, "samples.csv") if modeller.preprocessing_.vectors else picture
    written = options.shown_place(place)
    console = console_beside(None)
    with noted(console):
        items = (
            modeller.sample(count, seed, chosen) if steps is None else _recordings(modeller, count, steps, seed, kinds)
        )
    if form is not None:
        _refuse_table(output)
        write_samples(folder_for(output), items, form)
        write_fan(place, form, made=items)
    elif modeller.preprocessing_.vectors:
        write_rows(place, items, modeller, in_turn)
    else:
        write_singly(folder_for(output), [sample_name(number, in_turn) for number in range(count)], items)
        write_sheet(place, modeller.pictures(items[:SHEET_SAMPLES]), SHEET_COLUMNS)
    console.print(coloured(f"Made {count} with seed {seed}; see {written}.", GOOD))


def _refuse_others_samples(folder: Path, count: int, kinds: Sequence[str]) -> None:
    """Raise UsageError for samples of another call, which would stay among so many new ones, of classes in turn."""
    for path in sorted(folder.glob(f"{SAMPLE}*")):
        number = path.stem.removeprefix(SAMPLE).partition("-")[0]
        if not number.isdecimal() or int(number) >= count or path.stem != sample_name(int(number), kinds):
            raise UsageError(
                f"{folder} holds samples of another call, which would stay among these {count}: {path.stem} and on; "
                "name another folder (-o), or remove them"
            )


def _recordings(modeller: "Modeller", count: int, steps: int, seed: int, kinds: list[str] | None) -> Any:
    if kinds:
        raise UsageError("--kind is for models that know classes, and series have none; leave it out")
    return modeller.sample_recordings(count, steps=steps, seed=seed)


def _refuse_table(path: Path) -> None:
    if path.suffix:
        raise UsageError(f"{path} is a file; name a folder for series, which are one table each")


@app.command()
def reconstruct(model: options.ModelPath, data: Input, output: Output, strict: options.Strict = False) -> None:
    """Rebuild items through the model's code."""
    options.refuse_over_inputs([model, data], output=output)
    options.refuse_among_inputs([data], output=output)
    from hizumi.generation import load

    modeller = load(model)
    with shown_progress() as observe:
        _make(modeller, data, output, modeller.reconstruct_each(data, strict=strict, observe=observe), translated=False)


@app.command()
def translate(
    model: options.ModelPath,
    data: Input,
    output: Output,
    backwards: Annotated[
        bool, typer.Option("--backwards", help="From the second set to the first, where both ways were learned.")
    ] = False,
    strict: options.Strict = False,
) -> None:
    """Turn images into what the model has learned to make of them."""
    options.refuse_over_inputs([model, data], output=output)
    options.refuse_among_inputs([data], output=output)
    from hizumi.generation import load

    modeller = load(model)
    with shown_progress() as observe:
        made = modeller.translate_each(data, backwards=backwards, strict=strict, observe=observe)
        _make(modeller, data, output, made, translated=True, backwards=backwards)


@app.command()
def likelihood(
    model: options.ModelPath,
    data: options.Data,
    csv_to: options.CsvTo = None,
    strict: options.Strict = False,
    json_to: options.JsonTo = None,
) -> None:
    """Say how likely items are.

    In nats, of which more means likelier, and in bits for each dimension.
    """
    import numpy as np

    from hizumi.data import Failure
    from hizumi.generation import load
    from hizumi.generation.examples import open_items

    options.refuse_mixed(json_to, csv_to)
    options.refuse_over_inputs([model, data], json=json_to, csv=csv_to)
    modeller = load(model)
    manifest = open_items(data, **modeller.preprocessing_.as_learned)
    with shown_progress() as observe:
        items = list(modeller.likelihood_each(manifest, strict=strict, observe=observe))
    rows = [item for item in items if not isinstance(item, Failure)]
    failures = unread(item for item in items if isinstance(item, Failure))
    unopened = unread(manifest.unopened)
    refuse_nothing(len(rows), failures)
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("nats", "bits_per_dimension")}
    result = {"model": str(model)} | likelihood_result(data, means, rows, failures, unopened)
    without = ({"name": name, "reason": reason} for name, reason in [*failures, *unopened])
    console = answer(result, json_to, [*rows, *without], csv_to)
    least = sorted(rows, key=lambda row: row["nats"])[:LEAST_LIKELY_SHOWN]
    cells = [[row["name"], f"{row['nats']:.6g}", f"{row['bits_per_dimension']:.4g}"] for row in least]
    print_table(console, ["Least likely", ">Nats", ">Bits per dimension"], cells)
    show_remarks(console, manifest.notes, failures, unopened)
    console.print(
        f"{counted(len(rows), 'item')}: {means['nats']:.6g} nats, {means['bits_per_dimension']:.4g} bits per dimension "
        "on average."
    )


app.command()(walk)


@app.command()
def evaluate(
    model: options.ModelPath,
    data: options.Data,
    targets: options.Targets = None,
    features: Annotated[
        str,
        typer.Option(
            "--features", metavar="F", help="Where samples are compared: pixels, efficientnet, or a model's file."
        ),
    ] = "pixels",
    seed: options.Seed = 0,
    strict: options.Strict = False,
    json_to: options.JsonTo = None,
) -> None:
    """Measure a model on what the data mark as test.

    Other data are taken whole.
    """
    from hizumi.generation import load
    from hizumi.generation.assessment import assess
    from hizumi.report.words import flat_options

    modeller = load(model)
    space = load(features).model_ if features.endswith(".hizumi") else features
    with shown_progress() as observe:
        result = assess(modeller, data, targets, features=space, seed=seed, strict=strict, observe=observe)
    console = answer({"model": str(model), **result}, json_to)
    remarks = {name: result.pop(name) for name in ("notes", "failures", "unopened") if name in result}
    rows = [[name.replace("_", " ").replace(".", ": "), value] for name, value in flat_options(_rounded(result))]
    print_table(console, ["Measure", ">Value"], rows)
    if remarks:
        show_remarks(
            console,
            remarks["notes"],
            *([(each["name"], each["reason"]) for each in remarks[key]] for key in ("failures", "unopened")),
        )


def _rounded(result: dict[str, Any]) -> dict[str, Any]:
    """Numbers as people read them."""
    plain: dict[str, Any] = {}
    for name, value in result.items():
        if isinstance(value, dict):
            plain[name] = _rounded(value)
        elif isinstance(value, tuple | list):
            plain[name] = " to ".join(f"{part:.4g}" for part in value)
        else:
            plain[name] = f"{value:.4g}" if isinstance(value, float) else value
    return plain


def _make(
    modeller: "Modeller", data: str, output: Path, made: Any, *, translated: bool, backwards: bool = False
) -> None:
    """Write what was made, each to its place, with the first few beside what they were made of."""
    from hizumi.generation.examples import open_items

    console = console_beside(None)
    preprocessing = modeller.preprocessing_.backwards() if backwards else modeller.preprocessing_
    manifest = open_items(data, **preprocessing.as_learned)
    if manifest.series is not None:
        _refuse_table(output)
        outcome = write_recordings(output, made, manifest)
        show_remarks(console, manifest.notes, outcome.failures, unread(manifest.unopened))
        console.print(coloured(f"Made {counted(outcome.count, 'block')}; see {output}.", GOOD))
        return
    place = table_in(output, MADE_ROWS) if manifest.vectors else output / SHEET
    written = options.shown_place(place)
    with noted(console):
        outcome = write_made(output, made, modeller, vectors=manifest.vectors)
    refuse_nothing(outcome.count, outcome.failures)
    if outcome.first:
        before = [manifest.read(item.index).pixels for item in outcome.first]
        pictures = modeller.pictures(before, translated=backwards)
        pictures += modeller.pictures([item.data for item in outcome.first], translated=translated and not backwards)
        write_sheet(place, pictures, len(outcome.first))
    show_remarks(console, manifest.notes, outcome.failures, unread(manifest.unopened))
    console.print(coloured(f"Made {outcome.count}; see {written}.", GOOD))

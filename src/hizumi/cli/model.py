"""`hizumi model`: train generative models, and use them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, coloured, console_beside, print_table
from hizumi.cli.making import folder_for, noted, write_animation, write_made, write_rows, write_sheet, write_singly
from hizumi.cli.progress import shown_progress
from hizumi.cli.run_folder import open_run_folder
from hizumi.cli.summary import model_result, show_model, show_plan, show_remarks
from hizumi.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from hizumi.data import Manifest
    from hizumi.generation import Modeller

SHEET_COLUMNS = 8
SHEET_SAMPLES = 64
LEAST_LIKELY_SHOWN = 10

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Train generative models; sample, reconstruct, translate, weigh, walk and evaluate with them.",
)

ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="A file that train has written.")]
Input = Annotated[
    str, typer.Argument(metavar="IN", show_default=False, help="An image, a folder, a table, or a built-in set.")
]
Output = Annotated[
    Path, typer.Argument(metavar="OUT", show_default=False, help="Folder for images, or a .csv file for rows.")
]
Targets = Annotated[
    str | None,
    typer.Option(
        "--targets", metavar="DATA", help="What the images of DATA turn into, by the same names, or the other set."
    ),
]


@app.command()
def train(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="A model that `hizumi list` shows.")],
    data: options.Data,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")] = Path(
        "model.hizumi"
    ),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the model, or pairing.NAME; may be repeated."),
    ] = None,
    targets: Targets = None,
    pairing: Annotated[
        str | None,
        typer.Option(
            "--pairing",
            metavar="P",
            help="Make pairs of plain images: denoise, super-resolve, colour or inpaint; or cut images that hold both "
            "halves: side-by-side.",
        ),
    ] = None,
    image_size: options.ImageSize = None,
    tiles: Annotated[bool, typer.Option("--tiles", help="Learn from crops of the image size, at full detail.")] = False,
    window: options.PixelWindow = None,
    normal_class: Annotated[
        int | None, typer.Option("--normal-class", metavar="N", help="Learn from this one of several classes.")
    ] = None,
    steps: options.Steps = None,
    epochs: options.Epochs = None,
    max_time: options.MaxTime = None,
    patience: options.Patience = None,
    batch_size: options.BatchSize = None,
    seed: options.Seed = 0,
    precision: options.Precision = "32-true",
    accelerator: options.Accelerator = "cpu",
    devices: options.Devices = 1,
    num_nodes: options.NumNodes = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the interrupted run of the same command.")
    ] = False,
    strict: options.Strict = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, with estimated time and memory, and stop.")
    ] = False,
    json_to: options.JsonTo = None,
) -> None:
    """Train a generative model and write it to a file.

    Learns from all that is neither labelled anomalous nor marked as test. Pictures of what the model makes go into
    FILE's run folder every few hundred steps. An interrupted run goes on with --resume.
    """
    from hizumi.generation import Modeller
    from hizumi.generation.bundle import plain_pairing
    from hizumi.inspection import specify

    model, chosen_pairing = options.made_model(name, settings or (), pairing)
    training = options.training_options(
        steps=steps,
        epochs=epochs,
        max_time=max_time,
        patience=patience,
        batch_size=batch_size,
        seed=seed,
        precision=precision,
        accelerator=accelerator,
        devices=devices,
        num_nodes=num_nodes,
    )
    modeller = Modeller(
        model,
        image_size=options.parsed_image_size(image_size),
        sizing="tile" if tiles else "resize",
        window=options.parsed_window(window),
        pairing=chosen_pairing,
        training=training,
    )
    needs_two = bool({"pairs", "two sets"} & set(model.card.needs)) and pairing is None
    first, second = _opened(data, targets, normal_class, needs_two=needs_two)
    if dry_run:
        show_plan(modeller.plan(first, second, strict=strict), json_to, "training")
        return
    request = {
        "model": specify(model),
        "image size": modeller.image_size,
        "sizing": modeller.sizing,
        "window": window,
        "pairing": plain_pairing(chosen_pairing),
        "training": asdict(training),
        "data": [part.data_hash() for part in (first, second) if part is not None],
    }
    _train(modeller, first, second, output, request, resume=resume, strict=strict)
    if modeller.leads_:  # of several processes, one speaks
        _show_trained(modeller, output, json_to)


@app.command()
def sample(
    model: ModelPath,
    count: Annotated[int, typer.Option("--count", "-n", metavar="N", help="How many.")] = 64,
    seed: options.Seed = 0,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", metavar="CLASS", help="Only of this class; may be repeated.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for what is made.")] = Path(
        "samples"
    ),
) -> None:
    """Make new items: one file each and all on one sheet, or one table of rows."""
    from hizumi.generation import load

    modeller = load(model)
    chosen = [kinds[number % len(kinds)] for number in range(count)] if kinds else None
    console = console_beside(None)
    with noted(console):
        items = modeller.sample(count, seed, chosen)
    if modeller.preprocessing_.vectors:
        path = write_rows(output, "samples.csv", items, modeller.options_["columns"])
    else:
        write_singly(folder_for(output), [f"sample-{number:05d}" for number in range(count)], items)
        path = write_sheet(output / "sheet.png", modeller.pictures(items[:SHEET_SAMPLES]), SHEET_COLUMNS)
    console.print(coloured(f"Made {count} with seed {seed}; see {path}.", GOOD))


@app.command()
def reconstruct(model: ModelPath, data: Input, output: Output, strict: options.Strict = False) -> None:
    """Rebuild items through the model's code."""
    from hizumi.generation import load

    modeller = load(model)
    with shown_progress() as observe:
        _make(modeller, data, output, modeller.reconstruct_each(data, strict=strict, observe=observe), translated=False)


@app.command()
def translate(
    model: ModelPath,
    data: Input,
    output: Output,
    backwards: Annotated[
        bool, typer.Option("--backwards", help="From the second set to the first, where both ways were learned.")
    ] = False,
    strict: options.Strict = False,
) -> None:
    """Turn images into what the model has learned to make of them."""
    from hizumi.generation import load

    modeller = load(model)
    with shown_progress() as observe:
        made = modeller.translate_each(data, backwards=backwards, strict=strict, observe=observe)
        _make(modeller, data, output, made, translated=True, backwards=backwards)


@app.command()
def likelihood(
    model: ModelPath,
    data: options.Data,
    csv_to: options.CsvTo = None,
    strict: options.Strict = False,
    json_to: options.JsonTo = None,
) -> None:
    """Say how likely items are, in nats (higher is likelier) and bits for each dimension."""
    import numpy as np

    from hizumi.generation import load
    from hizumi.inspection import Failure
    from hizumi.report.tables import write_csv, write_json

    if "-" in (json_to, csv_to) and json_to == csv_to:
        raise UsageError("--json and --csv cannot both go to standard output; name a file for one of them")
    modeller = load(model)
    with shown_progress() as observe:
        items = list(modeller.likelihood_each(data, strict=strict, observe=observe))
    rows = [item for item in items if not isinstance(item, Failure)]
    failures = [(item.name, item.reason) for item in items if isinstance(item, Failure)]
    _refuse_nothing(len(rows), failures)
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("nats", "bits_per_dimension")}
    if json_to is not None:
        unread = [{"name": name, "reason": reason} for name, reason in failures]
        write_json(json_to, {"model": str(model), "data": data, "mean": means, "items": rows, "failures": unread})
    if csv_to is not None:
        write_csv(csv_to, rows)
    console = console_beside("-" if "-" in (json_to, csv_to) else None)
    least = sorted(rows, key=lambda row: row["nats"])[:LEAST_LIKELY_SHOWN]
    cells = [[row["name"], f"{row['nats']:.6g}", f"{row['bits_per_dimension']:.4g}"] for row in least]
    print_table(console, ["Least likely", ">Nats", ">Bits per dimension"], cells)
    show_remarks(console, (), failures)
    console.print(
        f"{len(rows)} items: {means['nats']:.6g} nats, {means['bits_per_dimension']:.4g} bits per dimension on average."
    )


@app.command()
def walk(
    model: ModelPath,
    axis: Annotated[
        int | None, typer.Option("--axis", metavar="K", help="Move along this number of the code, from 0 on.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="Start from these items, not from drawn codes.")
    ] = None,
    add: Annotated[
        list[str] | None,
        typer.Option(
            "--add",
            metavar="GROUP",
            help="Add the mean code of a group: numbers such as 3,7,12 of samples, or of items of --data, "
            "or kind:NAME of --data; may be repeated.",
        ),
    ] = None,
    subtract: Annotated[
        list[str] | None, typer.Option("--subtract", metavar="GROUP", help="Subtract one; may be repeated.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", metavar="N", help="How many ways.")] = 6,
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Pictures on each way.")] = 9,
    reach: Annotated[
        float, typer.Option("--reach", metavar="S", help="Standard deviations to both sides along an axis.")
    ] = 3.0,
    seed: options.Seed = 0,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the pictures.")] = Path(
        "walk"
    ),
) -> None:
    """Walk through the codes: along an axis, between codes, or to a sum of mean codes.

    Writes walk.png, a way in each row, and walk.gif. With --add and --subtract it writes arithmetic.png: a group in
    each row, then what their sum looks like.
    """
    from hizumi.generation import load

    modeller = load(model)
    if modeller.preprocessing_.vectors:
        raise UsageError(f"{model}: was trained on rows of numbers, whose walks cannot be drawn; use it from Python")
    console = console_beside(None)
    if add or subtract:
        if axis is not None:
            raise UsageError("--axis and --add are two different walks; give one of them")
        with noted(console):
            path = _arithmetic(modeller, add or [], subtract or [], data, seed, folder_for(output))
    else:
        with noted(console):
            items = modeller.walk(data, axis=axis, rows=rows, steps=steps, reach=reach, seed=seed)
        pictures = [modeller.pictures(way) for way in items]
        folder_for(output)
        path = write_sheet(output / "walk.png", [picture for way in pictures for picture in way], steps)
        write_animation(output / "walk.gif", [[way[step] for way in pictures] for step in range(steps)])
    console.print(coloured(f"See {path}.", GOOD))


@app.command()
def evaluate(
    model: ModelPath,
    data: options.Data,
    targets: Targets = None,
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
    """Measure a model on what the data mark as test, or on all of other data."""
    from hizumi.generation import load
    from hizumi.generation.assessment import assess
    from hizumi.report.tables import write_json
    from hizumi.report.words import flat_options

    modeller = load(model)
    space = load(features).model_ if features.endswith(".hizumi") else features
    with shown_progress() as observe:
        result = assess(modeller, data, targets, features=space, seed=seed, strict=strict, observe=observe)
    if json_to is not None:
        write_json(json_to, {"model": str(model), **result})
    console = console_beside(json_to)
    rows = [[name.replace("_", " "), value] for name, value in flat_options(result)]
    print_table(console, ["Measure", "Value"], rows)


def _opened(
    data: str, targets: str | None, normal_class: int | None, *, needs_two: bool
) -> "tuple[Manifest, Manifest | None]":
    from hizumi.data import open_source
    from hizumi.generation.examples import split_in_two

    first, second = split_in_two(data) if needs_two and targets is None else (data, targets)
    wanted: Any = "all" if normal_class is None else normal_class
    return (
        open_source(first, normal_class=wanted),
        None if second is None else open_source(second, normal_class=wanted),
    )


def _train(
    modeller: "Modeller",
    first: "Manifest",
    second: "Manifest | None",
    output: Path,
    request: dict[str, Any],
    *,
    resume: bool,
    strict: bool,
) -> None:
    from hizumi.generation import save

    if output.suffix in ("", ".run"):
        raise UsageError(f"--output {output} is no name for a model; give one such as model.hizumi")
    options.refuse_unwritable(output)
    folder = output.with_suffix(".run")
    open_run_folder(folder, request, resume=resume)

    def preview(step: int, pictures: "np.ndarray") -> None:
        write_sheet(folder / f"step-{step:06d}.png", list(pictures), SHEET_COLUMNS)

    try:
        with shown_progress() as observe:
            modeller.fit(first, second, run_folder=folder, observe=observe, preview=preview, strict=strict)
    except KeyboardInterrupt:
        typer.echo(f"\nTo go on from the last checkpoint in {folder}, give the same command with --resume.", err=True)
        raise
    if modeller.leads_:
        save(modeller, output)
        for spent in (*folder.glob("*.safetensors"), *folder.glob("*.jsonl")):
            spent.unlink()


def _show_trained(modeller: "Modeller", output: Path, json_to: str | None) -> None:
    from hizumi.report.tables import write_json

    if json_to is not None:
        write_json(json_to, model_result(modeller) | {"model": str(output)})
    console = console_beside(json_to)
    show_model(console, modeller)
    console.print(coloured(f"Wrote {output}.", GOOD))
    if not modeller.preprocessing_.vectors:
        console.print(f"Pictures of the training are in {output.with_suffix('.run')}.")
    console.print(f"Next: hizumi model {_next_command(modeller)} {output} --help")


def _next_command(modeller: "Modeller") -> str:
    from hizumi.models import CanReconstruct, CanSample, CanTranslate

    commands: dict[type, str] = {CanSample: "sample", CanTranslate: "translate", CanReconstruct: "reconstruct"}
    able = (command for ability, command in commands.items() if isinstance(modeller.model_, ability))
    return next(able, "evaluate")


def _make(
    modeller: "Modeller", data: str, output: Path, made: Any, *, translated: bool, backwards: bool = False
) -> None:
    """Write what was made, each to its place, with the first few beside what they were made of."""
    from hizumi.generation.examples import open_examples

    console = console_beside(None)
    manifest = open_examples(data, everything=True)
    with noted(console):
        outcome = write_made(output, made, vectors=manifest.vectors, columns=modeller.options_["columns"])
    _refuse_nothing(outcome.count, outcome.failures)
    if outcome.first:
        before = [manifest.read(item.index).pixels for item in outcome.first]
        pictures = modeller.pictures(before, translated=backwards)
        pictures += modeller.pictures([item.data for item in outcome.first], translated=translated and not backwards)
        write_sheet(output / "sheet.png", pictures, len(outcome.first))
    show_remarks(console, (), outcome.failures)
    console.print(coloured(f"Made {outcome.count}; see {output}.", GOOD))


def _refuse_nothing(count: int, failures: Sequence[tuple[str, str]]) -> None:
    if not count:
        raise DataError(
            f"none of {len(failures)} inputs could be read; the first is {failures[0][0]}: {failures[0][1]}"
        )


def _arithmetic(
    modeller: "Modeller", add: Sequence[str], subtract: Sequence[str], data: str | None, seed: int, folder: Path
) -> Path:
    """A sheet with a group in each row, its mean last, and the sum in a row of its own."""
    from hizumi.generation.walks import combined

    added, subtracted = ([_codes_of(modeller, text, data, seed) for text in texts] for texts in (add, subtract))
    total = combined(added, subtracted)
    widest = max(len(group[:SHEET_COLUMNS]) for group in (*added, *subtracted))
    pictures: list[np.ndarray] = []
    for group in (*added, *subtracted):
        shown = modeller.pictures(modeller.decode(group[:SHEET_COLUMNS]))
        blank = shown[0] * 0 + 255
        pictures += [*shown, *[blank] * (widest - len(shown)), *modeller.pictures(modeller.decode(group.mean(0)[None]))]
    pictures += [pictures[0] * 0 + 255] * widest + modeller.pictures(modeller.decode(total[None]))
    return write_sheet(folder / "arithmetic.png", pictures, widest + 1)


def _codes_of(modeller: "Modeller", text: str, data: str | None, seed: int) -> "np.ndarray":
    from dataclasses import replace

    from hizumi.generation.examples import open_examples

    if text.startswith("kind:"):
        if data is None:
            raise UsageError(f"{text} names a kind of --data; give --data, or numbers of samples")
        manifest, kind = open_examples(data, everything=True), text.removeprefix("kind:")
        kept = tuple(record for record in manifest.records if record.kind == kind)
        if not kept:
            kinds = sorted({record.kind for record in manifest.records})
            raise UsageError(f"{data} has no kind {kind!r}; it has {', '.join(kinds[:20])}")
        return modeller.encode(replace(manifest, records=kept))
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{text} is no group; write numbers such as 3,7,12, or kind:NAME") from None
    if min(numbers) < 0:
        raise UsageError(f"{text} holds a number below 0; samples and items are counted from 0 on")
    if data is None:
        return modeller.draw_codes(max(numbers) + 1, seed)[numbers]
    manifest = open_examples(data, everything=True)
    if max(numbers) >= len(manifest):
        raise UsageError(f"{data} has {len(manifest)} items, from 0 on; there is no {max(numbers)}")
    return modeller.encode(replace(manifest, records=tuple(manifest.records[number] for number in numbers)))

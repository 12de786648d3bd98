"""`hizumi model walk`: ways through a model's codes, as pictures."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, coloured, console_beside
from hizumi.cli.making import SHEET_COLUMNS, folder_for, noted, write_animation, write_sheet
from hizumi.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from hizumi.generation import Modeller


def walk(
    model: options.ModelPath,
    axis: Annotated[
        int | None, typer.Option("--axis", metavar="K", help="Move along this number of the code, from 0 on.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            callback=options.refuse_absent,
            help="Start from these items, not from drawn codes.",
        ),
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
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", callback=options.writable_folder, help="Folder for the pictures."
        ),
    ] = Path("walk"),
) -> None:
    """Walk through the codes that a model decodes.

    Along an axis, between codes, or to a sum of mean codes. Writes walk.png, a way in each row, and walk.gif. With
    --add and --subtract it writes arithmetic.png: a group in each row, then what their sum looks like.
    """
    from hizumi.generation import load

    modeller = load(model)
    if modeller.preprocessing_.window is None:
        kind = "rows of numbers" if modeller.preprocessing_.vectors else "series"
        raise UsageError(f"{model}: was trained on {kind}, whose walks cannot be drawn; use it from Python")
    console = console_beside(None)
    if axis is not None and (add or subtract):
        raise UsageError("--axis and --add are two different walks; give one of them")
    with noted(console):
        if add or subtract:
            path = _arithmetic(modeller, add or [], subtract or [], data, seed, folder_for(output))
        else:
            items = modeller.walk(data, axis=axis, rows=rows, steps=steps, reach=reach, seed=seed)
            ways = [modeller.pictures(way) for way in items]
            path = write_sheet(folder_for(output) / "walk.png", [picture for way in ways for picture in way], steps)
            write_animation(output / "walk.gif", zip(*ways, strict=True))
    console.print(coloured(f"See {path}.", GOOD))


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
    from hizumi.generation.examples import open_examples, open_items

    learned = modeller.preprocessing_.as_learned
    if text.startswith("kind:"):
        if data is None:
            raise UsageError(f"{text} names a kind of --data; give --data, or numbers of samples")
        manifest, kind = open_examples(data, everything=True, **learned), text.removeprefix("kind:")
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
    manifest = open_items(data, **learned)
    if max(numbers) >= len(manifest):
        raise UsageError(f"{data} has {len(manifest)} items, from 0 on; there is no {max(numbers)}")
    return modeller.encode(replace(manifest, records=tuple(manifest.records[number] for number in numbers)))

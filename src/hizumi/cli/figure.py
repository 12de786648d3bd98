"""`hizumi figure`: the figures that tell the history of generative models."""

from pathlib import Path
from typing import Annotated

import typer

from hizumi.cli.console import GOOD, coloured, console_beside, print_table
from hizumi.cli.options import Seed, refuse_absent, shown_place
from hizumi.cli.progress import shown_progress
from hizumi.errors import UsageError
from hizumi.storage.files import refuse_unwritable_folder


def figure(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Left out: the list of figures.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the files.")] = Path(),
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            callback=refuse_absent,
            help="Images to learn from; handwritten digits, if not given.",
        ),
    ] = None,
    effort: Annotated[
        float, typer.Option("--effort", metavar="X", help="Factor on the training steps: 0.1 for a quick look.")
    ] = 1.0,
    seed: Seed = 0,
) -> None:
    """Draw what small models show, trained on the spot.

    Writes a PNG, and a GIF where something moves.
    """
    from hizumi.report.gallery import FIGURES, refuse_unknown_figure

    console = console_beside(None)
    if name is None:
        print_table(
            console, ["Name", "Shows"], [list(item) for item in FIGURES.items()], "Figures (hizumi figure NAME)"
        )
        return
    if not effort > 0:
        raise UsageError(f"--effort is {effort:g}; it must be above 0")
    name = name.replace("-", "_")
    refuse_unknown_figure(name)
    refuse_unwritable_folder(output)

    from hizumi.report.gallery import Setting, draw
    from hizumi.storage.files import write_atomically

    with shown_progress(name) as observe:
        files = draw(name, Setting(seed, data, effort, observe))
    for file, content in files.items():
        written = shown_place(output / file)
        write_atomically(output / file, content)
        console.print(coloured(f"Wrote {written}", GOOD))

"""`hizumi model train`: from data to a generative model."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, answer, coloured
from hizumi.cli.making import SHEET_COLUMNS, write_fan, write_sheet
from hizumi.cli.progress import foretelling, resumable
from hizumi.cli.summary import result_of_training, show_model, show_plan
from hizumi.registry.names import refuse_unknown_preset
from hizumi.runs.folder import discard_checkpoints, open_run_folder
from hizumi.words import as_typed

if TYPE_CHECKING:
    import numpy as np

    from hizumi.data import Manifest
    from hizumi.data.series.form import SeriesForm
    from hizumi.generation import Modeller
    from hizumi.training import Trainable


@options.grouped
def train(
    name: options.ModelName,
    data: options.Data,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")] = Path(
        "model.hizumi"
    ),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the model, or pairing.NAME; may be repeated."),
    ] = None,
    targets: options.Targets = None,
    pairing: Annotated[
        str | None,
        typer.Option(
            "--pairing",
            metavar="P",
            help="Make pairs of plain images: denoise, super-resolve, colour or inpaint; or cut images that hold both "
            "halves: side-by-side.",
        ),
    ] = None,
    sizing: options.SizingArguments,
    source: options.SourceArguments,
    preset: options.Preset = None,
    training: options.TrainingArguments,
    run: options.RunArguments,
    on: options.On = None,
    json_to: options.JsonTo = None,
) -> None:
    """Train a generative model and write it to a file.

    Learns from all that is neither labelled anomalous nor marked as test. Pictures of what the model makes go into
    FILE's run folder every few hundred steps. An interrupted run goes on with --resume.
    """
    refuse_unknown_preset(preset, name, "model")
    options.parsed_settings(settings or ())
    folder = run.folder_beside(output, "model", "model.hizumi")
    written = options.shown_place(output)

    model, chosen_pairing = options.made_model(name, settings or (), pairing, preset)

    from hizumi.generation import Modeller, save  # after the settings are known to be right: it takes seconds more
    from hizumi.generation.bundle import plain_pairing
    from hizumi.generation.examples import split_in_two
    from hizumi.registry import specify

    training_options = run.options(training)
    modeller = Modeller(
        model,
        **sizing.keywords(),
        series=source.series,
        pairing=chosen_pairing,
        preset=preset,
        training=training_options,
    )
    modeller.check()  # refuses wrong arguments before data are read
    needs_two = bool({"pairs", "two sets"} & set(model.card.needs)) and pairing is None
    own, other = split_in_two(data) if needs_two and targets is None else (data, targets)
    first = source.open(own, all_classes=True)
    second = None if other is None else source.open(other, all_classes=True)
    if run.dry_run:
        show_plan(modeller.plan(first, second, strict=run.strict), json_to, "training")
        return
    request = {
        "model": specify(model),
        "image size": modeller.image_size,
        "sizing": modeller.sizing,
        "window": sizing.window,
        "nodata": sizing.nodata,
        "fill nan": sizing.fill_nan,
        "pairing": plain_pairing(chosen_pairing),
        "preset": preset,
        "training": asdict(training_options),
        "data": [part.data_hash() for part in (first, second) if part is not None],
    }

    preview = _Pictures(folder, first.series)
    work = partial(modeller.fit, first, second, run_folder=folder, preview=preview, strict=run.strict)
    with (
        open_run_folder(folder, request, resume=run.resume, restart=run.restart),
        run.tracked(folder, output, request) as tracking,
        resumable(folder) as observe,
    ):
        if not preset:
            observe = foretelling(observe, model.default_budget.steps, _cheaper(model, first))
        modeller = options.done_on(on, training_options, folder, work, tracking.beside(observe))
        if modeller.is_main_process_:  # of several processes, one writes and speaks
            save(modeller, output)
            tracking.keep(output, {"fit_seconds": modeller.options_["fit_seconds"]})
            discard_checkpoints(folder)
    if modeller.is_main_process_:
        _show_trained(modeller, output, written, json_to)


def _cheaper(model: "Trainable", data: "Manifest") -> str:
    """What makes a training cheaper, in words; empty where nothing does."""
    if "fast" in model.presets:
        return "--preset fast"
    return "" if data.vectors or data.series else "a smaller --image-size"


@dataclass(frozen=True)
class _Pictures:
    """Draws what the model makes so far into the run folder."""

    folder: Path
    series: "SeriesForm | None"

    def __call__(self, step: int, shown: "np.ndarray") -> None:
        path = self.folder / f"step-{step:06d}.png"
        if self.series is None:
            write_sheet(path, list(shown), SHEET_COLUMNS)
        else:
            write_fan(path, self.series, made=shown[1], real=shown[0])


def _show_trained(modeller: "Modeller", output: Path, written: str, json_to: str | None) -> None:
    console = answer(result_of_training(modeller) | {"model": str(output)}, json_to)
    show_model(console, modeller)
    console.print(coloured(f"Wrote {written}.", GOOD))
    if not modeller.preprocessing_.vectors:
        console.print(f"Pictures of the training are in {output.with_suffix('.run')}.")
    console.print(f"Next: hizumi model {_next_command(modeller)} {as_typed(output)} --help")


def _next_command(modeller: "Modeller") -> str:
    from hizumi.models import CanReconstruct, CanSample, CanTranslate

    commands: dict[type, str] = {CanSample: "sample", CanTranslate: "translate", CanReconstruct: "reconstruct"}
    able = (command for ability, command in commands.items() if isinstance(modeller.model_, ability))
    return next(able, "evaluate")

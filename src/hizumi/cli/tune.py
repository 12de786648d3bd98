"""`hizumi tune`: a detector's settings, searched by drawn defects or by labelled images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, answer, coloured, print_table
from hizumi.cli.progress import advising
from hizumi.cli.summary import holds_tests, result_of_fit, show_fit, show_next, show_without_effect
from hizumi.errors import UsageError
from hizumi.registry.names import refuse_unknown_preset
from hizumi.registry.standard import STANDARD
from hizumi.storage.files import refuse_unwritable
from hizumi.words import counted

if TYPE_CHECKING:
    from rich.console import Console

    from hizumi.runs.study import Study
    from hizumi.scale.tuning import Tuning


@options.grouped
def tune(
    data: options.Data,
    *,
    detector: options.DetectorName,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The bundle to write, with the best settings.")
    ] = Path("best.hizumi"),
    trials: Annotated[int, typer.Option("--trials", metavar="N", min=1, help="Choices of settings, in all.")] = 30,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            help="Fits of each trial, each judged on another part of the good images; a bad trial ends before the "
            "last.",
        ),
    ] = 3,
    objective: Annotated[
        Literal["drawn", "labelled"],
        typer.Option(
            "--objective",
            metavar="O",
            help="drawn: AUROC of defects drawn on held-out good images, without labels; labelled: that of half of "
            "the labelled test images, which are then no test any more.",
        ),
    ] = "drawn",
    search: Annotated[
        str | None,
        typer.Option("--search", metavar="A,B", help="The settings to search; all that are declared if not given."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="Database of the study, sqlite:///FILE or postgresql://HOST/NAME; a file beside the bundle if not "
            "given. The same command goes on with it.",
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option("--study", metavar="NAME", help="The study's name there; the detector's if not given.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting to begin with; may be repeated."),
    ] = None,
    sizing: options.SizingArguments,
    inspection: options.InspectorArguments,
    declared: options.VariationArguments,
    looked_at: options.RegionArguments,
    source: options.SourceArguments,
    training: options.TrainingArguments,
    seed: options.Seed = 0,
    where: options.WorkplaceArguments,
    json_to: options.JsonTo = None,
) -> None:
    """Search a detector's settings, and fit with the best of them.

    Trials see the good images that train alone; those that set the threshold are held out before the first trial.
    Writes the bundle, and beside it a page on what mattered and the study itself. An interrupted search goes on with
    the same command.
    """
    from hizumi.calibration.rules import CROSS_CONFORMAL

    parsed = options.parsed_settings(settings or ())
    if detector == STANDARD:
        raise UsageError("the standard detector is chosen by the data and has no settings: name one, such as -d pca")
    if inspection.folds is not None or inspection.rule == CROSS_CONFORMAL:
        given = "--folds" if inspection.folds is not None else f"--rule {CROSS_CONFORMAL}"
        raise UsageError(f"{given} would calibrate on images that trials have seen; leave it out")
    refuse_unknown_preset(inspection.preset, detector, "detector")
    options.refuse_other_file(output, "detector")
    page = output.with_suffix(".study.html")
    for file in (output, page):
        refuse_unwritable(file)
    written = options.shown_place(output)

    from hizumi.inspection import load
    from hizumi.inspection.holding_out import CALIBRATION_SHARE
    from hizumi.preprocessing.choosing import split_for_fit
    from hizumi.registry import make_detector
    from hizumi.registry.searching import chosen_spaces
    from hizumi.report.study import write_study
    from hizumi.scale.holding_studies import held_study
    from hizumi.scale.tuning import Tuning, TuningData
    from hizumi.storage.files import write_atomically

    begun = make_detector(detector, parsed, inspection.preset)
    names = options.names_between_commas(search or "", "--search")
    chosen_spaces(begun, detector, names)  # before the data are opened
    training_options, variation, region = training.options(seed=seed), declared.variation(), looked_at.region()
    made = inspection.inspector_of(sizing, training_options, variation=variation, region=region)
    manifest = source.open(data, motion=made(begun).wants_motion)
    spaces = chosen_spaces(begun, detector, names, vectors=manifest.vectors)
    split = split_for_fit(manifest, inspection.calibration_share or CALIBRATION_SHARE, seed)
    tuning = Tuning(
        begun,
        detector,
        spaces,
        made,
        TuningData.dealt(split, rounds, objective, seed),
        objective,
        trials,
        rounds,
        seed,
        storage or f"sqlite:///{output.with_suffix('.study.db')}",
        study or detector,
    )
    goes_on = "To go on with this study, give the same command again."
    with held_study(tuning.storage, tuning.name), advising(goes_on), where.workplace() as workplace:
        found = tuning.searched(workplace)
        write_study(page, found)
        write_atomically(output, tuning.best_bundle(found, workplace))
    inspector = load(output)
    result = result_of_fit(inspector) | {"bundle": str(output), "page": str(page), "study": found.to_dict()}
    console = answer(result, json_to)
    show_fit(console, inspector)
    show_without_effect(console, training.for_training_alone(), [inspector.options_])
    _show(console, tuning, found)
    console.print(coloured(f"Wrote {written}; what mattered is in {page}.", GOOD))
    show_next(console, inspector, output, data if holds_tests(manifest) else None, source.as_typed())


def _show(console: "Console", tuning: "Tuning", study: "Study") -> None:
    best = study.best
    assert best is not None, "a search ends with a best trial"
    begun = study.begun
    rows = [
        [path, begun.settings[path], value, f"{study.importances[path]:.0%}" if path in study.importances else "-"]
        for path, value in best.settings.items()
    ]
    print_table(console, ["Setting", ">At first", ">Best", ">Importance"], rows)
    before = "failed" if begun.value is None else f"{begun.value:.4f}"
    counts = ", ".join(f"{count} {state}" for state, count in study.counts().items())
    console.print(
        f"{counted(len(study.trials), 'trial')} ({counts}): {best.value:.4f} at best, {before} at first, as "
        f"{study.objective}."
    )
    if tuning.data.validation is not None:
        count, noun = len(tuning.data.validation), tuning.data.validation.noun
        console.print(
            f"The settings were chosen by {counted(count, f'labelled {noun}')}; hizumi evaluate leaves these out."
        )

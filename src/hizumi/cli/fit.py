"""`hizumi fit`: from normal data to a bundle."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, answer, coloured
from hizumi.cli.progress import resumable
from hizumi.cli.seeds import fit_seeds, refuse_for_seeds
from hizumi.cli.summary import holds_tests, result_of_fit, show_fit, show_next, show_plan, show_without_effect
from hizumi.errors import UsageError
from hizumi.registry.names import refuse_unknown_preset
from hizumi.registry.standard import STANDARD
from hizumi.runs.folder import open_run_folder, remove_run_folder

if TYPE_CHECKING:
    from hizumi.detectors import Detector
    from hizumi.inspection import Inspector


@options.grouped
def fit(
    data: options.Data,
    *,
    detector: options.DetectorName = STANDARD,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The bundle to write.")] = Path(
        "parts.hizumi"
    ),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the detector or its model; may be repeated."),
    ] = None,
    sizing: options.SizingArguments,
    inspection: options.InspectorArguments,
    known: options.CostArguments,
    declared: options.VariationArguments,
    looked_at: options.RegionArguments,
    source: options.SourceArguments,
    training: options.TrainingArguments,
    run: options.RunArguments,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            metavar="N",
            min=1,
            help="Fits with N seeds from --seed on, one bundle each, parts-0.hizumi and so on, and how much they "
            "differ.",
        ),
    ] = 1,
    where: options.WorkplaceArguments,
    json_to: options.JsonTo = None,
) -> None:
    """Learn from normal data and write a bundle.

    Anomalous records, where the data are labelled, are left alone. An interrupted run goes on with --resume.
    """
    options.refuse_over_inputs([data], json=json_to)
    parsed = options.parsed_settings(settings or ())
    if known.costs() is not None and known.known_defects is None:
        raise UsageError("costs set the threshold by known defects: give --known-defects DATA, or leave costs out")
    if detector != STANDARD:
        refuse_unknown_preset(inspection.preset, detector, "detector")
    elif parsed:
        raise UsageError(f"--set {next(iter(parsed))} is for a detector that is named: give -d NAME with it")
    if seeds > 1:
        refuse_for_seeds(run, output, seeds)
    elif where.cores is not None:
        raise UsageError("--cores is for many fits: give --seeds N with it, or leave it out")
    folder = run.folder_beside(output, "detector", "parts.hizumi") if seeds == 1 else Path()
    written = options.shown_place(output)

    from hizumi.registry import make_detector, specify

    chosen: str | Detector = detector if detector == STANDARD else make_detector(detector, parsed, inspection.preset)

    from hizumi.inspection import save  # after the settings are known to be right: it takes seconds more

    training_options = run.options(training)
    variation = declared.variation()
    region = looked_at.region()

    def made(seed: int) -> "Inspector":
        with_seed = replace(training_options, seed=seed)
        return inspection.inspector(chosen, sizing, with_seed, costs=known.costs(), variation=variation, region=region)

    inspector = made(run.seed)
    manifest = source.open(data, motion=inspector.wants_motion)
    if run.dry_run:
        plan = inspector.plan(manifest, strict=run.strict)
        show_without_effect(show_plan(plan, json_to, "fit"), training.for_training_alone(), [plan])
        return
    if seeds > 1:
        inspectors = {seed: made(seed) for seed in range(run.seed, run.seed + seeds)}
        fit_seeds(inspectors, manifest, known.known_defects, output, run, where, json_to, training.for_training_alone())
        return
    request = {
        "detector": chosen if isinstance(chosen, str) else specify(chosen),
        "image size": inspector.image_size,
        "sizing": inspector.sizing,
        "window": sizing.window,
        "nodata": sizing.nodata,
        "fill nan": sizing.fill_nan,
        "motion": inspection.motion,
        "calibration share": inspection.calibration_share,
        "folds": inspection.folds,
        "variation": None if variation is None else asdict(variation),
        "preset": inspection.preset,
        "align": inspection.align,
        "region": None if region is None else region.key,
        "training": asdict(training_options),
        "data": manifest.data_hash(),
    }

    work = partial(inspector.fit, manifest, known_defects=known.known_defects, run_folder=folder, strict=run.strict)
    with (
        open_run_folder(folder, request, resume=run.resume, restart=run.restart),
        run.tracked(folder, output, request) as tracking,
        resumable(folder) as observe,
    ):
        inspector = options.done_on(where.on, training_options, folder, work, tracking.beside(observe))
        if inspector.is_main_process_:  # of several processes, one writes and speaks
            save(inspector, output)
            threshold = inspector.calibration_.threshold
            tracking.keep(output, {"threshold": threshold.value, "promised_rate": threshold.promised_rate})
            remove_run_folder(folder)
    if inspector.is_main_process_:
        console = answer(result_of_fit(inspector) | {"bundle": str(output)}, json_to)
        show_fit(console, inspector)
        show_without_effect(console, training.for_training_alone(), [inspector.options_])
        console.print(coloured(f"Wrote {written}.", GOOD))
        show_next(console, inspector, output, data if holds_tests(manifest) else None, source.as_typed())

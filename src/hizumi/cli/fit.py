"""`hizumi fit`: from normal data to a bundle."""

import shlex
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, coloured, console_beside
from hizumi.cli.progress import shown_progress
from hizumi.cli.summary import fit_result, show_fit, show_plan
from hizumi.errors import UsageError
from hizumi.runs.folder import open_run_folder

if TYPE_CHECKING:
    from hizumi.data import Manifest
    from hizumi.inspection import Inspector


def fit(
    data: options.Data,
    detector: Annotated[
        str, typer.Option("--detector", "-d", metavar="NAME", help="One of those that `hizumi list` shows.")
    ] = "reconstruction",
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The bundle to write.")] = Path(
        "parts.hizumi"
    ),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the detector or its model; may be repeated."),
    ] = None,
    image_size: options.ImageSize = None,
    tiles: options.Tiles = False,
    false_alarm_rate: options.Rate = 0.01,
    rule: options.Rule = "conformal",
    calibration_share: options.CalibrationShare = 0.2,
    folds: options.Folds = None,
    preset: options.PresetName = None,
    window: options.PixelWindow = None,
    motion: options.Motion = None,
    normal_class: options.NormalClass = None,
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
    """Learn from normal data and write a bundle.

    Anomalous records, where the data are labelled, are left alone. An interrupted run goes on with --resume.
    """
    from hizumi.calibration import check_rule
    from hizumi.data import open_source
    from hizumi.inspection import Inspector
    from hizumi.registry import specify

    check_rule(rule, false_alarm_rate)
    chosen = options.made_detector(detector, settings or (), preset)
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
    inspector = Inspector(
        chosen,
        image_size=options.parsed_image_size(image_size),
        sizing="tile" if tiles else "resize",
        false_alarm_rate=false_alarm_rate,
        rule=rule,
        calibration_share=calibration_share,
        folds=folds,
        preset=preset,
        window=options.parsed_window(window),
        motion=motion,
        training=training,
    )
    manifest = open_source(data, normal_class=normal_class, motion=inspector.wants_motion)
    if dry_run:
        show_plan(inspector.plan(manifest, strict=strict), json_to, "fit")
        return
    request = {
        "detector": specify(chosen),
        "image size": inspector.image_size,
        "sizing": inspector.sizing,
        "window": window,
        "motion": motion,
        "calibration share": calibration_share,
        "folds": folds,
        "preset": preset,
        "training": asdict(training),
        "data": manifest.data_hash(),
    }
    _fit(inspector, manifest, output, request, resume=resume, strict=strict)
    if inspector.is_main_process_:  # of several processes, one speaks
        _show_result(inspector, output, data, normal_class, json_to)


def _fit(
    inspector: "Inspector", manifest: "Manifest", output: Path, request: dict[str, Any], *, resume: bool, strict: bool
) -> None:
    from hizumi.inspection import save

    if output.suffix in ("", ".run"):
        raise UsageError(f"--output {output} is no name for a bundle; give one such as parts.hizumi")
    options.refuse_unwritable(output)
    folder = output.with_suffix(".run")
    open_run_folder(folder, request, resume=resume)
    try:
        with shown_progress() as observe:
            inspector.fit(manifest, run_folder=folder, observe=observe, strict=strict)
    except KeyboardInterrupt:
        typer.echo(f"\nTo go on from the last checkpoint in {folder}, give the same command with --resume.", err=True)
        raise
    if inspector.is_main_process_:
        save(inspector, output)
        shutil.rmtree(folder, ignore_errors=True)


def _show_result(
    inspector: "Inspector", output: Path, data: str, normal_class: int | None, json_to: str | None
) -> None:
    from hizumi.storage.tables import write_json

    if json_to is not None:
        write_json(json_to, fit_result(inspector) | {"bundle": str(output)})
    console = console_beside(json_to)
    show_fit(console, inspector)
    console.print(coloured(f"Wrote {output}.", GOOD))
    console.print(f"Next: hizumi inspect {shlex.quote(str(output))} NEW_IMAGES")
    evaluate = ["hizumi", "evaluate", str(output), data]
    if normal_class is not None:
        evaluate += ["--normal-class", str(normal_class)]
    console.print(f"or, where defects are labelled: {shlex.join(evaluate)}")

"""`hizumi export`: a bundle that inspects without torch."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hizumi.cli import options
from hizumi.cli.console import GOOD, WARNING, answer, coloured
from hizumi.cli.progress import shown_progress
from hizumi.cli.summary import show_parity, show_remarks, unread
from hizumi.runs.results import exporting_result
from hizumi.storage.files import refuse_unwritable


@options.grouped
def export(
    bundle: options.BundlePath,
    *,
    to: Annotated[
        Literal["onnx", "openvino"], typer.Option("--to", help="What is to run it: ONNX Runtime or OpenVINO.")
    ] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write; NAME.onnx.hizumi if not given."),
    ] = None,
    precision: Annotated[
        Literal["fp32", "bf16", "int8"],
        typer.Option("--precision", help="Of the arithmetic; what anything but fp32 costs is measured and told."),
    ] = "fp32",
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            callback=options.refuse_absent,
            help="What the bundle was fitted on, or any good data of the same kind; not needed "
            "where that was a built-in set.",
        ),
    ] = None,
    source: options.SourceArguments,
    json_to: options.JsonTo = None,
) -> None:
    """Write a bundle that inspects without torch.

    It is only written where it gives the same scores. The images that set the threshold are scored by both, or any
    good ones, which leave the threshold as it is. hizumi inspect takes the new bundle as it takes the old one.
    """
    output = output or bundle.with_name(f"{bundle.name.removesuffix('.hizumi')}.{to}.hizumi")
    source.refuse_without(data=data)
    options.refuse_other_file(output, "exported")
    refuse_unwritable(output)
    written = options.shown_place(output)

    from hizumi.export import export as exported
    from hizumi.inspection import load

    inspector = load(bundle)
    given = None if data is None else source.open(data, motion=inspector.uses_motion, **inspector.as_learned)
    with shown_progress() as observe:
        done = exported(
            inspector,
            output,
            given,
            engine="onnxruntime" if to == "onnx" else "openvino",
            precision=precision,
            observe=observe,
        )
    parity = done.parity.to_dict()
    result = exporting_result(parity, done.notes, unread(done.failures), unread(done.unopened))
    console = answer({"bundle": str(output), "engine": to, "precision": precision, **result}, json_to)
    show_parity(console, parity)
    show_remarks(console, done.notes, unread(done.failures), unread(done.unopened))
    if done.parity.changed > done.parity.borderline:
        console.print(coloured("Verdicts change: look at what it costs before you use it.", WARNING))
    for name in done.parity.lost:
        off = f"Its {name} is off by {done.parity.differences[name]:.0%} of the largest value"
        costs = "regions are missed or made up" if name == "map" else "verdicts on defects may change"
        console.print(coloured(f"{off}: {costs}. With --precision fp32 it is kept.", WARNING))
    console.print(coloured(f"Wrote {written}.", GOOD))

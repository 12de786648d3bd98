"""`hizumi inspect --output` and `hizumi merge`: archives of images, scored into a folder and proved complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from hizumi.cli import options
from hizumi.cli.console import BAD, GOOD, WARNING, answer, coloured, console_beside
from hizumi.cli.progress import shown_progress
from hizumi.cli.summary import ANOMALOUS_FOUND, NOT_JUDGED
from hizumi.errors import UsageError
from hizumi.storage.files import printable, refuse_unwritable
from hizumi.words import as_typed, counted

if TYPE_CHECKING:
    from rich.console import Console

    from hizumi.scale.archive import Archive, Shard
    from hizumi.scale.merging import Proof
    from hizumi.scale.parts import Tally


@dataclass(frozen=True)
class ArchiveArguments:
    """Into which folder an archive is scored, and who shares the work."""

    heading: ClassVar[str] = "Archives"

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            callback=options.writable_folder,
            help="Score an archive, however large, into this folder: Parquet files with a row for each image. The same "
            "command goes on where it was interrupted; hizumi merge makes one table.",
        ),
    ] = None
    on: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="With --output: share the work among the workers of a Ray cluster: local (all cores of this machine), "
            "auto (the cluster that runs on it), HOST:6379 or ray://HOST:10001.",
        ),
    ] = None
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="With --on: so many; else one for each core.")
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="With --output: do one of N shares alone, 0/N to N-1/N, as jobs of any scheduler do in one folder.",
        ),
    ] = None

    def refuse_without_output(self) -> None:
        """Raise UsageError where work is to be shared that is no archive's."""
        if self.output is None and any(given is not None for given in (self.on, self.workers, self.shard)):
            raise UsageError("--on, --workers and --shard share out an archive; name the folder for it with --output")


def refuse_beside_output(**others: object) -> None:
    """Raise UsageError for options of `inspect` that mean nothing for an archive."""
    for name, given in others.items():
        if given is not None:
            raise UsageError(f"--{name.replace('_', '-')} does not go with --output; leave one of them out")


def inspect_archive(
    bundle: Path, data: Sequence[str], archived: ArchiveArguments, *, recursive: bool, maps: Path | None
) -> None:
    """Score whatever of an archive has not been scored: here, as one shard of several, or on a cluster."""
    from hizumi.scale.archive import Shard, open_archive
    from hizumi.scale.cluster import refuse_no_address
    from hizumi.scale.running import score_on, score_shard
    from hizumi.scale.scoring import BlockScorer, archive_inspector

    assert archived.output is not None, "an archive is scored into a folder"
    on, shard_text = archived.on, archived.shard
    if on is not None and shard_text is not None:
        raise UsageError("--on shares the whole archive out by itself; leave --shard out")
    if on is None and archived.workers is not None:
        raise UsageError("--workers are those of a cluster; name it with --on")
    if on is not None:
        refuse_no_address(on)
    options.refuse_over_inputs([bundle, *data], maps=maps)
    if recursive:
        options.refuse_among_inputs(data, maps=maps)
    shard = Shard() if shard_text is None else Shard.parse(shard_text)
    console = console_beside(None)
    # Before the data are listed, which may take hours, and the folder is that bundle's.
    archive_inspector(bundle, bundle.name, draws_maps=maps is not None)
    archive = open_archive(
        archived.output,
        bundle,
        data,
        recursive=recursive,
        maps=maps,
        trust_listing=shard_text is not None,
        on_wait=lambda holder: typer.echo(f"Waiting for {holder}, which lists the data.", err=True),
    )
    scorer = BlockScorer(archived.output)
    for note in scorer.notes():
        console.print(coloured(f"Note: {note}.", WARNING))
    with archive.held(shard), shown_progress() as observe:
        tally = score_shard(scorer, shard, observe) if on is None else score_on(archive, on, archived.workers, observe)
    _show_run(archive, shard, tally)


def merge(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", show_default=False, help="The folder that inspect --output has filled.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write all rows as one table, .parquet or .csv."),
    ] = None,
    json_to: options.JsonTo = None,
    fail_on_anomaly: options.FailOnAnomaly = False,
) -> None:
    """Prove that an archive is complete, and make it one table.

    Each image must have one row. Reads all of it, byte by byte. Exits with 1 where anything is missing, and names
    the command that completes it.
    """
    from hizumi.scale.merging import merge as merged, prove, refuse_no_table

    if output is not None:
        refuse_no_table(output)
        refuse_unwritable(output)
    proof = prove(folder)
    options.refuse_over_inputs([*proof.archive.data, *proof.archive.own_files()], output=output, json=json_to)
    if output is not None:
        merged(proof, output)
    answer(proof.to_dict(), json_to)
    _show_proof(proof, output, json_to)
    if fail_on_anomaly and proof.tally.alarms:
        raise typer.Exit(ANOMALOUS_FOUND)
    if fail_on_anomaly and proof.tally.failures:
        raise typer.Exit(NOT_JUDGED)


def _show_run(archive: "Archive", shard: "Shard", tally: "Tally") -> None:
    console = console_beside(None)
    whole = "" if shard.of == 1 else f" of shard {shard}"
    line = f"{counted(tally.images, 'image')}{whole} scored into {printable(archive.folder)}"
    line += f", {tally.alarms:,} anomalous" if tally.images else ": all had been done before"
    line += f", {tally.failures:,} without a verdict." if tally.failures else "."
    console.print(coloured(line, BAD if tally.alarms else GOOD))
    _show_unreached(console, archive, tally)
    if archive.listed.unopened:
        console.print(
            f"No images: {counted(archive.listed.unopened, 'file')}, which {archive.folder / 'unopened.csv'} names."
        )
    console.print(f"hizumi merge {as_typed(archive.folder)} proves that nothing is missing.")


def _show_unreached(console: "Console", archive: "Archive", tally: "Tally") -> None:
    if tally.unreached:
        line = f"{tally.unreached:,} could not be fetched; to try these again: {archive.command()}"
        console.print(coloured(line, WARNING))


def _show_proof(proof: "Proof", output: Path | None, json_to: str | None) -> None:
    console = console_beside(json_to)
    tally, listed = proof.tally, proof.archive.listed
    images, parts = counted(tally.images, "image"), counted(listed.blocks, "part")
    console.print(f"Complete: {images}, one row each, in {parts} whose hashes hold.")
    line = f"{tally.alarms:,} of {tally.images - tally.failures:,} anomalous."
    if tally.failures:
        line += f" {tally.failures:,} without a verdict; column `reason` says why."
    console.print(coloured(line, BAD if tally.alarms else GOOD))
    _show_unreached(console, proof.archive, tally)
    if output is not None:
        console.print(f"The table is {printable(output)}.")

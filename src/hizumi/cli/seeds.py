"""`hizumi fit --seeds`: one fit with several seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hizumi.cli import options
from hizumi.cli.console import BAD, GOOD, answer, coloured, print_table
from hizumi.cli.summary import result_of_fit, show_findings, show_promises, show_remarks, show_without_effect, unread
from hizumi.errors import UsageError
from hizumi.storage.files import printable, refuse_unwritable

if TYPE_CHECKING:
    from hizumi.data import Manifest
    from hizumi.inspection import Inspector
    from hizumi.scale.seeds import Seeds


def refuse_for_seeds(run: options.RunArguments, output: Path, seeds: int) -> None:
    """Refuse what several fits cannot be asked for, and what stands where a bundle is to be written."""
    if run.devices * run.num_nodes > 1:
        raise UsageError("--seeds fits each seed in one process; leave --devices and --num-nodes out")
    if run.restart:
        raise UsageError("--restart is for one fit, which has checkpoints; without --resume, all seeds are fitted anew")
    if run.track:
        raise UsageError("--track shows one fit; leave it out with --seeds")
    for seed in range(run.seed, run.seed + seeds):
        path = path_of_seed(output, seed)
        options.refuse_other_file(path, "detector")
        refuse_unwritable(path)


def fit_seeds(
    inspectors: "Mapping[int, Inspector]",
    manifest: "Manifest",
    known_defects: str | None,
    output: Path,
    run: options.RunArguments,
    where: options.WorkplaceArguments,
    json_to: str | None,
    for_training_alone: Sequence[str],
) -> None:
    """Fit with each seed, and say how much the fits differ."""
    from hizumi.scale.seeds import fitted_with_seeds

    bundles = {seed: path_of_seed(output, seed) for seed in inspectors}
    # With --resume, those that are there already are taken over.
    written = {seed: printable(path) if run.resume else options.shown_place(path) for seed, path in bundles.items()}
    with where.workplace() as workplace:
        found = fitted_with_seeds(
            inspectors, manifest, known_defects, bundles, workplace, resume=run.resume, strict=run.strict
        )
    _report(found, bundles, written, json_to, for_training_alone)


def path_of_seed(output: Path, seed: int) -> Path:
    """The bundle of a seed, beside where that of a single fit would lie."""
    return output.with_stem(f"{output.stem}-{seed}")


def _report(
    seeds: "Seeds",
    bundles: Mapping[int, Path],
    written: Mapping[int, str],
    json_to: str | None,
    for_training_alone: Sequence[str],
) -> None:
    """Each seed's threshold and bundle, how much they differ, what they promise, and what is wrong with them."""
    if not seeds.fitted:
        raise next(iter(seeds.failed.values()))
    spreads = {"threshold": seeds.thresholds, "held_out_median": seeds.medians}
    result: dict[str, Any] = {
        "seeds": [result_of_fit(each) | {"bundle": str(bundles[seed])} for seed, each in seeds.fitted.items()],
        "failed": {str(seed): str(error) for seed, error in seeds.failed.items()},
        **{name: spread.to_dict() for name, spread in spreads.items()},
    }
    console = answer(result, json_to)
    rows = [
        [seed, f"{threshold:.6g}", f"{median:.6g}", written[seed]]
        for seed, threshold, median in zip(seeds.fitted, seeds.thresholds.values, seeds.medians.values, strict=True)
    ]
    print_table(console, ["Seed", ">Threshold", ">Median of held-out scores", "Bundle"], rows)
    for name, spread in (("The threshold", seeds.thresholds), ("The median held-out score", seeds.medians)):
        if spread.deviation is not None:
            share = f", {spread.deviation / abs(spread.mean):.1%} of it" if spread.mean else ""
            console.print(f"{name} is {spread.mean:.6g} ± {spread.deviation:.2g} over the seeds{share}.")
    first_seed, first = next(iter(seeds.fitted.items()))
    console.print(f"Of the threshold of seed {first_seed}:")
    show_promises(console, first)
    for seed, each in seeds.fitted.items():
        found = [finding.to_dict() for finding in each.findings_]
        show_findings(console, [finding | {"message": f"seed {seed}: {finding['message']}"} for finding in found])
    show_remarks(console, first.notes_, unread(first.failures_), unread(first.unopened_))
    show_without_effect(console, for_training_alone, [each.options_ for each in seeds.fitted.values()])
    for seed, error in seeds.failed.items():
        console.print(coloured(f"Seed {seed} failed: {error}", BAD))
    console.print(coloured(f"Wrote {len(rows)} bundles.", GOOD))
    if seeds.failed:
        raise typer.Exit(1)

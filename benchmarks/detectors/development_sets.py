"""The default beside a memory of patches, Gaussians, and the autoencoder that was the default before them.

    HIZUMI_DATA=folder python -m benchmarks.detectors.development_sets --sets brick bottle --seeds 0 1 2

fits each way as a user does, by `Inspector` on at most 150 good images, which the seed draws, and tests on at most 200
good and 200 defective ones. Writes benchmarks/results/detectors/development_sets/SET-WAY-SEED.json, what is there
not being measured again, and from all of them development_sets/page.md. `--page` only makes the page.
"""

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import floor
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.stats import betabinom

from hizumi.calibration import Calibration
from hizumi.data import Manifest, open_source
from hizumi.data.manifest import GOOD, Record
from hizumi.evaluation import binomial_acceptance
from hizumi.evaluation.bootstrap import image_estimates
from hizumi.inspection import Inspector
from hizumi.report import markdown
from hizumi.reproduction import published_data
from hizumi.reproduction.published_forms import Pool
from hizumi.training import TrainingOptions

RESULTS = Path(__file__).parent.parent / "results" / "detectors" / "development_sets"
MOST_TRAINED, MOST_TESTED = 150, 200  # good images to learn from; good, and defective ones, to test
RATES = (0.01, 0.05)
FORMER_SIDE = 64  # pixels, of the autoencoder that was the default

STANDARD, NEAREST, GAUSSIAN, FORMER = "standard", "nearest_features", "gaussian_features", "reconstruction"
WAYS: dict[str, Callable[[TrainingOptions], Inspector]] = {
    STANDARD: lambda training: Inspector(training=training),
    NEAREST: lambda training: Inspector(NEAREST, training=training),
    GAUSSIAN: lambda training: Inspector(GAUSSIAN, training=training),
    FORMER: lambda training: Inspector(FORMER, image_size=FORMER_SIDE, training=training),
}


def main() -> None:
    """Measure what is not there, and make the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=[*SETS], default=[*SETS])
    parser.add_argument("--ways", nargs="+", choices=[*WAYS], default=[*WAYS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for seed, name in () if given.page else itertools.product(given.seeds, given.sets):
        manifest = None
        for way in given.ways:
            path = RESULTS / f"{name}-{way}-{seed}.json"
            if path.exists():
                continue
            manifest = manifest or drawn(SETS[name](), seed)
            result = {"set": name, "way": way, "seed": seed, **measured(WAYS[way], manifest, seed)}
            path.write_text(json.dumps(result, indent=1) + "\n")
            print(json.dumps(result), flush=True)
    runs = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    (RESULTS / "page.md").write_text(page(runs))


def measured(make: Callable[[TrainingOptions], Inspector], manifest: Manifest, seed: int) -> dict[str, Any]:
    """AUROC with its interval, and alarms at each rate, of an inspector as it comes."""
    began = time.process_time()
    inspector = make(TrainingOptions(seed=seed)).fit(manifest)
    seconds = time.process_time() - began
    tested = manifest.select(split="test")
    labels = np.array([record.label for record in tested.records])
    scores = -inspector.score_samples(tested)
    calibration = inspector.calibration_
    alarms = {}
    for rate in RATES:
        threshold = Calibration.fit(calibration.scores, rule=calibration.rule, false_alarm_rate=rate).threshold.value
        alarms[f"{rate:g}"] = {
            "false_alarms": int((scores[labels == 0] > threshold).sum()),
            "found": int((scores[labels == 1] > threshold).sum()),
        }
    return {
        "trained": len(manifest.records) - len(tested.records),
        "held_out": len(calibration.scores),
        "good": int((labels == 0).sum()),
        "defective": int((labels == 1).sum()),
        "image_auroc": image_estimates(scores, labels)[0].to_dict(),
        "alarms": alarms,
        "fit_cpu_seconds": round(seconds, 1),
    }


def drawn(manifest: Manifest, seed: int) -> Manifest:
    """At most so many of each part: the seed draws who trains, and the same ones test with every seed."""
    tested = np.array([record.split == "test" for record in manifest.records])
    good = np.array([record.label == 0 for record in manifest.records])
    parts = [
        (np.flatnonzero(good & ~tested), MOST_TRAINED, [seed, 1]),
        (np.flatnonzero(good & tested), MOST_TESTED, [2]),
        (np.flatnonzero(~good & tested), MOST_TESTED, [3]),
    ]
    chosen = np.concatenate(
        [np.sort(np.random.default_rng(key).permutation(places)[:most]) for places, most, key in parts]
    )
    return replace(manifest, records=tuple(manifest.records[place] for place in chosen.tolist()))


def _of_pool(read: Callable[[Path], Pool], name: str, section: str | None = None) -> Manifest:
    pool = read(Path(os.environ["HIZUMI_DATA"]))
    assert pool.tested is not None, "these sets are split"
    here = np.ones(len(pool), bool) if section is None else pool.sections == section
    records = tuple(
        Record(
            f"{name}-{row}",
            str(pool.kinds[row]),
            int(pool.kinds[row] != GOOD),
            "test" if pool.tested[row] else None,
            None if pool.groups is None else str(pool.groups[row]),
            row=row,
        )
        for row in np.flatnonzero(here).tolist()
    )
    return Manifest(records, pool.items, name=name)


def _cells(section: str) -> Manifest:
    """One kind of solar cells: every third functional one, and all that may be defective, test."""
    manifest = _of_pool(_read_cells, f"elpv_{section}", section)
    good = np.cumsum([record.label == 0 for record in manifest.records])
    return replace(
        manifest,
        records=tuple(
            replace(record, split="test" if record.label or count % 3 == 0 else None)
            for record, count in zip(manifest.records, good, strict=True)
        ),
    )


def _read_cells(folder: Path) -> Pool:
    pool = published_data.read_elpv(folder)
    return replace(pool, tested=np.zeros(len(pool), bool))  # it has no official split


SETS: dict[str, Callable[[], Manifest]] = {
    "magnetic_tile": lambda: _of_pool(published_data.read_magnetic_tile, "magnetic_tile"),
    "elpv_poly": lambda: _cells("poly"),
    "elpv_mono": lambda: _cells("mono"),
    "deeppcb": lambda: _of_pool(published_data.read_deeppcb, "deeppcb"),
    "brick": lambda: open_source("brick"),
    "bottle": lambda: _of_pool(published_data.read_mvtec, "bottle", "bottle"),
    "cookies": lambda: _of_pool(published_data.read_cookies, "cookies"),
}


def page(runs: Sequence[Mapping[str, Any]]) -> str:
    """Tables of AUROC and of false alarms."""
    lines = ["# Development sets", "", "<!-- Made by `python -m benchmarks.detectors.development_sets`. -->", ""]
    lines += [
        f"At most {MOST_TRAINED} good images train, which the seed draws; the same at most {MOST_TESTED} good and "
        f"{MOST_TESTED} defective ones test. Means over seeds ± their standard deviation.",
        "",
        "The default adds both parts in units of held-out good images' largest values, and takes the moments of its "
        "Gaussians over the squares that make these images likeliest: neither is set by what is tested here.",
        "",
        "## AUROC",
        "",
    ]
    by_set = {name: [run for run in runs if run["set"] == name] for name in SETS}
    by_set = {name: found for name, found in by_set.items() if found}
    rows = []
    for name, found in by_set.items():
        aurocs = {way: {r["seed"]: r["image_auroc"]["value"] for r in found if r["way"] == way} for way in WAYS}
        shown = [_spread([*aurocs[way].values()]) for way in WAYS]
        better = {seed: max(aurocs[way].get(seed, 0.0) for way in (NEAREST, GAUSSIAN)) for seed in aurocs[STANDARD]}
        beside = [aurocs[STANDARD][seed] - better[seed] for seed in better if better[seed]]
        before = [value - aurocs[FORMER][seed] for seed, value in aurocs[STANDARD].items() if seed in aurocs[FORMER]]
        rows.append([name, *shown, _spread(beside, signed=True), _spread(before, signed=True)])
    columns = ["Set", *WAYS, "standard, above its better part", f"standard, above {FORMER}"]
    lines += [*markdown.table(columns, rows), "", "## Intervals of the default's AUROC", ""]
    lines += [
        "Of the images that were tested, seed by seed, 95%.",
        "",
        *markdown.table(
            ["Set", "Seed", "AUROC", "Interval", "CPU s of the fit"],
            [
                [
                    name,
                    str(run["seed"]),
                    f"{run['image_auroc']['value']:.3f}",
                    f"{run['image_auroc']['low']:.3f} to {run['image_auroc']['high']:.3f}",
                    f"{run['fit_cpu_seconds']:.0f}",
                ]
                for name, found in by_set.items()
                for run in found
                if run["way"] == STANDARD
            ],
        ),
        "",
        "## False alarms of the default",
        "",
        "Alarms among the good images tested, how many agree with the asked rate, or with the lowest that so many "
        "held-out scores can promise where that is higher (binomial, 95%), and defects found. Where they lie outside, "
        "the limits follow that hold when the threshold, too, is drawn anew (beta-binomial, 95%). Photographs of one "
        "magnetic tile, and crops of one board of DeepPCB, alarm together, which neither allows for.",
        "",
        *markdown.table(
            ["Set", "Seed", "Held out", "promise at the lowest", *(f"at {rate:.0%}" for rate in RATES)], _alarms(by_set)
        ),
    ]
    return "\n".join(lines) + "\n"


def _alarms(by_set: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[list[str]]:
    rows = []
    for name, found in by_set.items():
        for run in found:
            if run["way"] != STANDARD:
                continue
            lowest = 1 / (run["held_out"] + 1)
            cells = [str(run["held_out"]), f"{lowest:.1%}"]
            for rate in RATES:
                low, high = binomial_acceptance(run["good"], max(rate, lowest))
                of_rate = run["alarms"][f"{rate:g}"]
                outside = ""
                if not low <= of_rate["false_alarms"] <= high:
                    wider = [int(limit) for limit in _law(run, max(rate, lowest)).ppf([0.025, 0.975])]
                    outside = f", **outside**; {wider[0]} to {wider[1]} over thresholds"
                cells.append(
                    f"{of_rate['false_alarms']} of {run['good']} ({low} to {high}{outside}), "
                    f"{of_rate['found']} of {run['defective']} found"
                )
            rows.append([name, str(run["seed"]), *cells])
    return rows


def _law(run: Mapping[str, Any], rate: float) -> Any:
    """How many good images alarm where threshold and images are drawn: the threshold is one of the held-out scores."""
    above = max(1, floor((run["held_out"] + 1) * rate + 1e-9))  # the rank of the threshold, from the highest score
    return betabinom(run["good"], above, run["held_out"] + 1 - above)


def _spread(values: Sequence[float], *, signed: bool = False) -> str:
    if not values:
        return "-"
    mean = f"{fmean(values):{'+' if signed else ''}.3f}"
    return f"{mean} ± {stdev(values):.3f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()

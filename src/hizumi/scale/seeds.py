"""One fit with several seeds: how much of it is the seed's doing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from hizumi.data import Manifest
from hizumi.data.progress import Observer
from hizumi.errors import HizumiError
from hizumi.inspection import Inspector, load
from hizumi.inspection.seen import Seen
from hizumi.registry import specify
from hizumi.runs.parameters import plain_parameters
from hizumi.scale.comparing import bundle_bytes, bytes_planned
from hizumi.scale.jobs import Job, Workplace
from hizumi.storage.files import write_atomically


@dataclass(frozen=True)
class Spread:
    """A number of each seed, their mean, and their deviation, None of a single one."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Over the seeds."""
        return stdev(self.values) if len(self.values) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"values": list(self.values), "mean": self.mean, "deviation": self.deviation}


@dataclass(frozen=True, eq=False)
class Seeds:
    """Fits by seed, read from their bundles, and why others failed."""

    fitted: Mapping[int, Inspector]
    failed: Mapping[int, HizumiError]

    @property
    def thresholds(self) -> Spread:
        """The threshold of each."""
        return Spread(tuple(each.calibration_.threshold.value for each in self.fitted.values()))

    @property
    def medians(self) -> Spread:
        """The median score of the good items that each held out."""
        return Spread(tuple(float(np.median(each.calibration_.scores)) for each in self.fitted.values()))


def fitted_with_seeds(
    inspectors: Mapping[int, Inspector],
    manifest: Manifest,
    known_defects: Any,
    bundles: Mapping[int, Path],
    workplace: Workplace,
    *,
    resume: bool,
    strict: bool,
) -> Seeds:
    """Fit each inspector and write the bundle of its seed; with `resume`, those that are not there as asked for.

    Raises the first error with `strict`.
    """
    workplace.refuse_unseen(manifest)
    there = {seed for seed, each in inspectors.items() if resume and _is_made(bundles[seed], each, manifest)}
    jobs = [
        Job(
            f"seed {seed}",
            partial(_made, inspector, known_defects, strict),
            manifest,
            memory=partial(bytes_planned, inspector),
            of=seed,
        )
        for seed, inspector in inspectors.items()
        if seed not in there
    ]
    failed: dict[int, HizumiError] = {}
    for done in workplace.do(jobs):
        if done.error is None:
            write_atomically(bundles[done.job.of], done.result)
        elif strict:
            raise done.error
        else:
            failed[done.job.of] = done.error
    return Seeds({seed: load(bundles[seed]) for seed in inspectors if seed not in failed}, failed)


def _made(
    inspector: Inspector, known_defects: Any, strict: bool, manifest: Manifest, observe: Observer | None
) -> bytes:
    inspector.fit(manifest, known_defects=known_defects, observe=observe, strict=strict)
    return bundle_bytes(inspector)


def _is_made(path: Path, asked: Inspector, manifest: Manifest) -> bool:
    """Whether a bundle holds this very fit."""
    if not path.is_file():
        return False
    made = load(path)
    detector = asked.detector if isinstance(asked.detector, str) else specify(asked.detector)
    found = made.options_["detector"]
    same = detector == (found["name"] if isinstance(detector, str) else found)
    own = Seen.of(manifest).good
    return same and plain_parameters(made) == plain_parameters(asked) and np.array_equal(made.seen_.good, own)

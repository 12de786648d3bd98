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
from hizumi.inspection.known_defects import open_defects
from hizumi.inspection.seen import contents
from hizumi.scale.fits import bundle_bytes, bytes_planned, digest_of_request, request_of
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
    data_sha256 = manifest.data_hash()
    asked_for = {seed: digest_of_request(request_of(each, data_sha256)) for seed, each in inspectors.items()}
    there = {seed for seed in inspectors if resume and _is_made(bundles[seed], asked_for[seed], known_defects)}
    jobs = [
        Job(
            f"seed {seed}",
            partial(_made, inspector, asked_for[seed], known_defects, strict),
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
    inspector: Inspector,
    asked_for: str,
    known_defects: Any,
    strict: bool,
    manifest: Manifest,
    observe: Observer | None,
) -> bytes:
    inspector.fit(manifest, known_defects=known_defects, observe=observe, strict=strict)
    inspector.options_ = {**inspector.options_, "asked_for": asked_for}
    return bundle_bytes(inspector)


def _is_made(path: Path, asked_for: str, known_defects: Any) -> bool:
    """Whether a bundle holds this very fit."""
    if not path.is_file():
        return False
    made = load(path)
    return made.options_.get("asked_for") == asked_for and _knows(made, known_defects)


def _knows(made: Inspector, known_defects: Any) -> bool:
    """Whether these are the defects that it was told of."""
    if known_defects is None:
        return not len(made.seen_.known_defects)
    form = made.preprocessing_
    defects = open_defects(known_defects, made.seen_, motion=form.motion is not None, **form.as_learned)
    return np.array_equal(made.seen_.known_defects, contents(defects))

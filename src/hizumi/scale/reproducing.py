"""Rows of the ledger, run by run, here or on a cluster: each run is kept as soon as it is done."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from hizumi.errors import HizumiError
from hizumi.reproduction import running
from hizumi.reproduction.collections import Collection
from hizumi.reproduction.ledger import Row
from hizumi.reproduction.published_forms import Pool
from hizumi.reproduction.rows import RowToRun
from hizumi.reproduction.views import PoolView
from hizumi.runs.planning import TrainingCost, cost_of_statistics
from hizumi.scale.jobs import Job, Workplace


def reproduced(
    asked: Sequence[RowToRun], pool: Pool | Collection, cases: Sequence[str], seeds: int, workplace: Workplace
) -> tuple[list[Row], dict[str, HizumiError]]:
    """Make the runs that rows lack; gives the rows as they are then, and the first error of each that has any."""
    failed: dict[str, HizumiError] = {}
    jobs = []
    for row in asked:
        try:
            jobs += [_job(row, case, seed, pool) for case, seed in row.missing(cases, seeds)]
        except HizumiError as error:
            failed[row.title] = error
    for done in workplace.do(jobs):
        row = done.job.of
        if done.error is not None:
            failed.setdefault(row.title, done.error)
            continue
        try:
            row.add(done.result)
        except HizumiError as error:  # another call has made something else of its file meanwhile
            failed.setdefault(row.title, error)
    return [row.begun() for row in asked if row.title not in failed], failed


def _job(row: RowToRun, case: str, seed: int, pool: Pool | Collection) -> Job:
    of_run = (row.protocol, row.entrant, case, seed, row.mode, row.budget)
    return Job(
        f"{row.title}, {case}, seed {seed}",
        partial(_run, *of_run),
        pool,
        kind=row.title,
        memory=None if isinstance(pool, Collection) else partial(_bytes_of_run, *of_run),
        of=row,
    )


def _run(*of_run_pool_and_observer: Any) -> Any:
    *(protocol, entrant, case, seed, mode, budget), pool, observe = of_run_pool_and_observer
    return running.run(protocol, pool, entrant, case, seed, mode, budget, observe)


def _bytes_of_run(*of_run_and_pool: Any) -> int:
    """Memory that a fit of the run needs, from a few of its steps."""
    *(protocol, entrant, case, seed, mode, budget), pool = of_run_and_pool
    detector = entrant.make()
    _, split = running.dealt(protocol, pool, entrant, case, seed, mode, budget)
    images = PoolView(pool, detector, split.train).of(split.train)
    training = TrainingCost.measured(detector.phases(), images, entrant.options)
    return max(training.peak_bytes, cost_of_statistics(detector, images).peak_bytes)

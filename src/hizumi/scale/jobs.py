"""Where fits run: one after another in this process, or each by a worker of a cluster, with equal numbers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from hizumi.data import Manifest
from hizumi.data.progress import Observer
from hizumi.errors import HizumiError

Progress = Callable[[str], AbstractContextManager[Observer]]
"""Gives an observer for work of this title."""


@dataclass(frozen=True, eq=False)
class Job:
    """One fit and what is made of it, as it is sent to whoever does it.

    `work` and `memory` are functions of a module, or partials of such, so that another process can import them.
    `shared` is what many jobs have in common, the data: a cluster is sent it once. Jobs of one `kind` need equal
    memory, which `memory` estimates, in bytes, where they are first done.
    """

    title: str
    work: Callable[[Any, Observer | None], Any]
    shared: Any = None
    kind: str = ""
    memory: Callable[[Any], int] | None = None
    of: Any = None  # whatever the caller knows it again by


@dataclass(frozen=True, eq=False)
class Done:
    """A job with what came of it, or with the error that it ended with."""

    job: Job
    result: Any = None
    error: HizumiError | None = None


class Workplace(ABC):
    """Does jobs."""

    @abstractmethod
    def do(self, jobs: Iterable[Job | None]) -> Iterator[Done]:
        """Jobs as they are done, whatever becomes of the others.

        The next job is asked for only when there is room for it, after what is done has been handed over: it may
        depend on that. None in place of a job: the next one follows from a result that is still to come.
        """

    @abstractmethod
    def refuse_unseen(self, manifest: Manifest) -> None:
        """Raise UsageError, in one line, where not every place that does jobs sees the first file of the data."""


@dataclass(frozen=True)
class Here(Workplace):
    """This process, which does one job after another."""

    threads: int
    progress: Progress

    def do(self, jobs: Iterable[Job | None]) -> Iterator[Done]:
        """See `Workplace`."""
        for job in jobs:
            assert job is not None, "all that was handed out before is done"
            with self.progress(job.title) as observe:
                done = done_with(self.threads, job, observe)
            yield done

    def refuse_unseen(self, manifest: Manifest) -> None:
        """This process sees what it has opened."""


def done_with(threads: int, job: Job, observe: Observer | None = None) -> Done:
    """Do a job in this process."""
    try:
        return Done(job, with_threads(threads, job.work, job.shared, observe))
    except HizumiError as error:
        return Done(job, error=error)


def with_threads(threads: int, work: Callable[..., Any], *arguments: Any) -> Any:
    """Do work in so many threads: sums in another order differ in their last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            return work(*arguments)
    finally:
        torch.set_num_threads(before)

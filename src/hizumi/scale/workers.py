"""Jobs on a cluster, one by one worker: each asks for its cores, and for the memory that its first trial shows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from hizumi.data import Manifest
from hizumi.errors import HizumiError, RunError, UsageError
from hizumi.scale.cluster import on_each_node
from hizumi.scale.jobs import Done, Job, Workplace, with_threads
from hizumi.storage.files import first_line, printable

GIB = 2**30


@dataclass(frozen=True)
class _Failed:
    """An error of ours on its way back: a value, so that Ray neither wraps it nor takes it for its own."""

    error: HizumiError


@dataclass(eq=False)
class _Waiting:
    """Jobs of a kind that wait for what their memory is estimated to be."""

    jobs: list[Job]


@dataclass(eq=False)
class Cluster(Workplace):
    """The workers of a cluster of Ray; `say` is given a line on each job that is done."""

    ray: ModuleType
    on: str
    threads: int
    say: Callable[[str], None]
    _sent: dict[int, Any] = field(default_factory=dict)  # what jobs share, by its identity, where Ray keeps it
    _kept: list[Any] = field(default_factory=list)  # the same things here, so that no identity is used again
    _bytes: dict[str, int] = field(default_factory=dict)  # of each kind of job

    def __post_init__(self) -> None:
        most = max((node.get("CPU", 0.0) for node in self._nodes()), default=0.0)
        if self.threads > most:
            raise UsageError(
                f"--on {self.on}: each fit asks for {self.threads} cores, and no node has more than {most:.0f}; give "
                f"--cores {max(1, int(most))}"
            )

    def do(self, jobs: Iterable[Job | None]) -> Iterator[Done]:
        """See `Workplace`."""
        out: dict[Any, Job | _Waiting] = {}
        for count, done in enumerate(self._done(jobs, out), 1):
            how = "failed" if done.error is not None else "done"
            self.say(f"{done.job.title}: {how}  ({count} done, {self._held(out)} on their way)")
            yield done

    def refuse_unseen(self, manifest: Manifest) -> None:
        """Have every node look; what is sent along is seen anyway."""
        path = next((record.path for record in manifest.records if record.path is not None), None)
        if path is None:
            return
        for address, is_seen in on_each_node(self.ray, _is_there, str(path)):
            if not is_seen:
                raise UsageError(
                    f"--on {self.on}: {address} does not see {printable(path)}; put the data where all nodes have them "
                    "under the same path"
                )

    def _done(self, jobs: Iterable[Job | None], out: dict[Any, Job | _Waiting]) -> Iterator[Done]:
        coming, is_more = iter(jobs), True
        while is_more or out:
            while is_more and self._held(out) < self._room():
                try:
                    job = next(coming)
                except StopIteration:
                    is_more = False
                    break
                if job is None:
                    assert out, "nothing is on its way that the next job could follow from"
                    break
                yield from self._begun(job, out)
            if out:  # else what was begun could not be sent off
                yield from self._next(out)

    def _begun(self, job: Job, out: dict[Any, Job | _Waiting]) -> Iterator[Done]:
        """Send a job off, or an estimate of its memory first."""
        if job.memory is None or job.kind in self._bytes:
            yield from self._sent_off(job, out)
            return
        for waiting in out.values():
            if isinstance(waiting, _Waiting) and waiting.jobs[0].kind == job.kind:
                waiting.jobs.append(job)
                return
        out[self._remote(0).remote(self.threads, job.memory, self._shared(job.shared))] = _Waiting([job])

    def _sent_off(self, job: Job, out: dict[Any, Job | _Waiting]) -> Iterator[Done]:
        wanted = self._bytes.get(job.kind, 0)
        most = max((int(node.get("memory", 0)) for node in self._nodes()), default=0)
        if wanted > most:
            words = f"{job.title} needs about {wanted / GIB:.1f} GiB, and no node of the cluster has more than"
            yield Done(job, error=RunError(f"{words} {most / GIB:.1f}: take smaller images or batches"))
            return
        reference = self._remote(wanted).remote(self.threads, job.work, self._shared(job.shared), None)
        out[reference] = job

    def _next(self, out: dict[Any, Job | _Waiting]) -> Iterator[Done]:
        """What is ready, once something is."""
        (reference,), _ = self.ray.wait(list(out), num_returns=1)
        what = out.pop(reference)
        try:
            result = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except self.ray.exceptions.RayError as error:
            reason = first_line(error)
            result = _Failed(RunError(f"its worker was lost, and others that tried ({type(error).__name__}: {reason})"))
        if isinstance(what, Job):
            failed = isinstance(result, _Failed)
            yield Done(what, error=result.error) if failed else Done(what, result)
            return
        # Where the estimate fails, the fit will say why.
        self._bytes[what.jobs[0].kind] = 0 if isinstance(result, _Failed) else int(result)
        for job in what.jobs:
            yield from self._sent_off(job, out)

    def _remote(self, memory_bytes: int) -> Any:
        return self.ray.remote(_done_there).options(num_cpus=self.threads, memory=memory_bytes)

    def _shared(self, value: Any) -> Any:
        if id(value) not in self._sent:
            self._kept.append(value)
            self._sent[id(value)] = self.ray.put(value)
        return self._sent[id(value)]

    def _nodes(self) -> list[Mapping[str, float]]:
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def _room(self) -> int:
        """How many jobs there are cores for, now that nodes may have come or gone."""
        return max(1, sum(int(node.get("CPU", 0.0) // self.threads) for node in self._nodes()))

    @staticmethod
    def _held(out: Mapping[Any, Job | _Waiting]) -> int:
        return sum(1 if isinstance(each, Job) else len(each.jobs) for each in out.values())


def _done_there(threads: int, work: Callable[..., Any], *arguments: Any) -> Any:
    """In a worker."""
    try:
        return with_threads(threads, work, *arguments)
    except HizumiError as error:
        return _Failed(error)


def _is_there(path: str) -> bool:
    """In a worker."""
    return Path(path).exists()

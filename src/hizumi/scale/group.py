"""One training by a group of processes on a cluster, which goes on with fewer of them where some are lost."""

import os
import pickle
import platform
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from hizumi.data.progress import Observer
from hizumi.errors import HizumiError, RunError, UsageError
from hizumi.runs.folder import REQUEST
from hizumi.scale.cluster import LOCAL, cluster, own_cores
from hizumi.scale.relay import SECONDS_BETWEEN_RECORDS, Relay, Sent
from hizumi.scale.room import Room
from hizumi.storage.files import first_line, printable
from hizumi.storage.locks import entrusted
from hizumi.training import TrainingOptions

MOST_RESTARTS = 10
START_SECONDS = {
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300"
}  # for processes to be placed and import what they need
SECONDS_TO_ANSWER = 60.0  # for a machine, once others were lost
BROKEN = ("gloo", "nccl", "connection reset", "connection closed")  # in what torch says when a peer has gone
RAYS_OWN = ".hizumi-ray"  # in the run folder, for what Ray Train writes

Fitted = TypeVar("Fitted", covariant=True)


@runtime_checkable
class Work(Protocol[Fitted]):
    """What every process of a group does, to which it is sent by pickle."""

    def __call__(self, *, observe: Observer) -> Fitted:
        """Give, in the first process, the result."""


def train_on(
    on: str, options: TrainingOptions, folder: Path, work: Work[Fitted], observe: Observer, say: Callable[[str], None]
) -> Fitted:
    """Do the work in as many processes as the options ask for, on a cluster; see `cluster` for `on`.

    Where a process, or its machine, is lost, the group begins again from the last checkpoint in the run folder: with as
    many processes if the cluster has room for them, else with the largest number that divides theirs, each of which
    takes the batches of several. Every machine must see the data and the folder, which the caller holds, where this
    one does.

    Args:
        on: Address of the cluster.
        options: Those of the training; devices x num_nodes processes are placed wherever there is room.
        folder: The run folder.
        work: What fits.
        observe: Called here with records of the first process.
        say: Told in a sentence of every loss.
    """
    for name, value in START_SECONDS.items():
        os.environ.setdefault(name, value)
    with cluster(on, max(options.processes, own_cores()) if on == LOCAL else None) as ray:
        group = _Group(ray, on, options, folder.resolve(), work, observe)
        for _ in range(MOST_RESTARTS):
            room = group.room()
            try:
                return group.run(room)
            except _LostError as lost:
                say(f"{lost}; going on from the last checkpoint")
        raise RunError(
            f"--on {on}: processes were lost {MOST_RESTARTS} times; look why (ray list actors), then give the same "
            "command with --resume"
        )


class _LostError(Exception):
    """Processes died, or no longer reached one another."""


class _Group(Generic[Fitted]):
    """The processes of one training, made anew for each attempt."""

    def __init__(
        self, ray: Any, on: str, options: TrainingOptions, folder: Path, work: Work[Fitted], observe: Observer
    ) -> None:
        self.ray = ray
        self.on = on
        self.options = options
        self.folder = folder
        self.work = work
        self.observe = observe
        self.began = False  # once it has, machines may be lost that the cluster still counts
        # Here, where no lost machine takes it along.
        here = {ray._raylet.RAY_NODE_ID_KEY: ray.get_runtime_context().get_node_id()}
        self.relay = ray.remote(num_cpus=0, label_selector=here)(Relay).remote()

    def room(self) -> Room:
        """What the cluster has room for now; raises UsageError where it never had room for all."""
        machines = self._machines()
        wanted = self.options.processes
        room = Room.on(machines, wanted, self._on_gpus(machines))
        if room is None or (not self.began and room.processes < wanted):
            offered = f"{0 if room is None else room.processes} of {wanted} processes"
            raise UsageError(
                f"--on {self.on}: the cluster has room for {offered}, one {self._unit(machines)} each; lower --devices"
            )
        return room

    def run(self, room: Room) -> Fitted:
        """One attempt; raises _LostError where processes were lost, and what they raised where they failed."""
        from ray.train import ControllerError, WorkerGroupError

        self.began = True
        part = _Part(self.work, self.relay, Path.cwd(), self.folder, (self.folder / REQUEST).read_bytes())
        try:
            sent = self._while_observed(lambda: self._trainer(room, part).fit().return_value)
        except ControllerError as error:
            raise _LostError(f"{room.processes} processes did not start ({first_line(error)})") from error
        except WorkerGroupError as error:
            raise self._cause(error.worker_failures, room) from error
        finally:
            shutil.rmtree(self.folder / RAYS_OWN, ignore_errors=True)
        fitted: Fitted = pickle.loads(sent)  # noqa: S301 - made by a process of this group, moments ago
        return fitted

    def _trainer(self, room: Room, part: "_Part[Fitted]") -> Any:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        return TorchTrainer(
            part,
            scaling_config=ScalingConfig(
                num_workers=room.processes,
                use_gpu=room.gpus,
                resources_per_worker={"CPU": room.cores} | ({"GPU": 1} if room.gpus else {}),
            ),
            run_config=RunConfig(
                name="fit",
                storage_path=str(self.folder / RAYS_OWN),
                failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),  # restarts are ours
            ),
        )

    def _while_observed(self, fit: Callable[[], bytes]) -> bytes:
        """Fit in a thread, for Ray Train would take Ctrl-C away from the main one; pass records on meanwhile."""
        outcome: dict[str, Any] = {}

        def run() -> None:
            try:
                outcome["sent"] = fit()
            except BaseException as error:
                outcome["error"] = error

        thread = threading.Thread(target=run, daemon=True)  # nobody waits for it after Ctrl-C
        thread.start()
        while thread.is_alive():
            thread.join(SECONDS_BETWEEN_RECORDS)
            for record in self.ray.get(self.relay.records.remote()):
                self.observe(record)
        if "error" in outcome:
            raise outcome["error"]
        sent: bytes = outcome["sent"]
        return sent

    def _cause(self, failures: Mapping[int, Exception], room: Room) -> Exception:
        """What to raise for what became of each process."""
        raised = self.ray.get(self.relay.errors.remote())
        died = sum(isinstance(error, self.ray.exceptions.RayActorError) for error in failures.values())
        ours = [error for error in raised if isinstance(error, HizumiError)]
        others = [error for error in raised if not any(word in str(error).lower() for word in BROKEN)]
        if ours:
            return ours[0]
        if others and not died:
            return others[0]
        if died or raised:
            return _LostError(f"{max(1, died)} of {room.processes} processes were lost")
        said = "; ".join(dict.fromkeys(_last_line(error) for error in failures.values()))
        return RunError(f"--on {self.on}: Ray could not carry out the training ({said})")

    def _machines(self) -> list[Mapping[str, float]]:
        """What each machine of the cluster has."""
        nodes = [node for node in self.ray.nodes() if node["Alive"]]
        if self.began:
            asked = [self._asked(node["NodeID"]) for node in nodes]
            answered, _ = self.ray.wait(asked, num_returns=len(asked), timeout=SECONDS_TO_ANSWER)
            nodes = [
                node
                for node, answer in zip(nodes, asked, strict=True)
                if answer in answered and _is_sound(self.ray, answer)
            ]
        return [node["Resources"] for node in nodes]

    def _asked(self, machine: str) -> Any:
        """A sign of life that a machine is to give."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(machine, soft=False)
        return self.ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(platform.node).remote()

    def _on_gpus(self, machines: Sequence[Mapping[str, float]]) -> bool:
        asked = self.options.accelerator
        return asked == "cuda" or (asked == "auto" and any(machine.get("GPU", 0) for machine in machines))

    def _unit(self, machines: Sequence[Mapping[str, float]]) -> str:
        return "GPU" if self._on_gpus(machines) else "core"


@dataclass(frozen=True)
class _Part(Generic[Fitted]):
    """What every process of a group does."""

    work: Work[Fitted]
    relay: Any
    here: Path
    folder: Path
    request: bytes

    def __call__(self) -> bytes | None:
        import ray
        from torch import distributed

        try:
            with self._in_same_place():
                fitted = self.work(observe=Sent(self.relay))
            # As bytes, for Ray refuses tensors that are returned.
            return ray.cloudpickle.dumps(fitted) if distributed.get_rank() == 0 else None
        except Exception as error:
            ray.get(self.relay.failed.remote(error))
            raise

    @contextmanager
    def _in_same_place(self) -> Iterator[None]:
        """In the folder of the command, whose paths may be relative, and in possession of the run folder."""
        seen = b""
        with suppress(OSError):
            os.chdir(self.here)
            seen = (self.folder / REQUEST).read_bytes()
        if seen != self.request:
            raise UsageError(
                f"{printable(platform.node())} does not see {printable(self.folder)} as this machine does; write "
                "into a folder that all machines share"
            )
        with entrusted(self.folder):
            yield


def _is_sound(ray: Any, answer: Any) -> bool:
    with suppress(ray.exceptions.RayError):
        ray.get(answer)
        return True
    return False


def _last_line(error: Exception) -> str:
    return printable([type(error).__name__, *filter(None, map(str.strip, str(error).splitlines()))][-1])

"""Times of several ways to do the same, taken in turn, and what a case reports of them."""

import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import hizumi

Run = Callable[[], Any]
Ways = Mapping[str, Run]


@dataclass(frozen=True)
class Setting:
    """How to measure: `smoke` is a run of seconds on tiny sizes that shows that a case works."""

    rounds: int = 7
    device: str = "cpu"
    smoke: bool = False

    def pick(self, full: Any, smoke: Any) -> Any:
        """One of two sizes."""
        return smoke if self.smoke else full


@dataclass(frozen=True)
class Timing:
    """Medians over the rounds, in seconds: CPU on one thread, and wall time on all; on a GPU both are wall time."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Figure:
    """One line of the table: a number, what was asked of it, and the share of the machine's ceiling that it reaches."""

    what: str
    value: float
    unit: str = "x"
    at_least: float | None = None
    at_most: float | None = None
    of_ceiling: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether it is as was asked; None where nothing was."""
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


@dataclass
class Report:
    """What a case found: figures for the table, times of all ways, and shares of time by operation."""

    figures: list[Figure] = field(default_factory=list)
    seconds: dict[str, Timing] = field(default_factory=dict)
    profiles: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_dict(self, case: str, setting: Setting) -> dict[str, Any]:
        """Everything for JSON, with what it was made on."""
        on_gpu = setting.device == "cuda"
        return {
            "case": case,
            "device": torch.cuda.get_device_name() if on_gpu else f"{platform.machine()}, {os.cpu_count()} cores",
            "hizumi": hizumi.__version__,
            "torch": torch.__version__,
            "rounds": setting.rounds,
            "figures": [asdict(figure) for figure in self.figures],
            "seconds": {way: asdict(timing) for way, timing in self.seconds.items()},
            "profiles": self.profiles,
        }


def in_turn(ways: Ways, setting: Setting) -> dict[str, Timing]:
    """Times of all ways, A B C A B C, after one turn that does not count.

    A way that is done by another process returns its own `Timing`.
    """
    threads = torch.get_num_threads()
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ways}
    try:
        for turn in range(setting.rounds + 1):
            for name, run in ways.items():
                torch.set_num_threads(1)
                timing = _timing(run, setting.device)
                cpu, wall = timing.cpu, timing.wall
                if threads > 1:
                    torch.set_num_threads(threads)
                    wall = _timing(run, setting.device).wall
                if turn or setting.smoke:
                    taken[name][0].append(cpu)
                    taken[name][1].append(wall)
    finally:
        torch.set_num_threads(threads)
    return {name: Timing(statistics.median(cpu), statistics.median(wall)) for name, (cpu, wall) in taken.items()}


def operations(run: Run) -> int:
    """Floating-point operations of matrix products and convolutions, forward and backward."""
    with _Counting() as counting:
        run()
    return counting.operations


def shares_of_time(run: Run, most: int = 6) -> dict[str, float]:
    """The operations that take most of the CPU's time, and their shares of it."""
    run()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with profile(activities=[ProfilerActivity.CPU]) as taken:
            run()
    events = [(event.key.removeprefix("aten::"), event.self_cpu_time_total) for event in taken.key_averages()]
    total = sum(time for _, time in events)
    largest = sorted(events, key=lambda event: -event[1])[:most]
    return {name: round(time / total, 3) for name, time in largest}


def ratio(seconds: Mapping[str, Timing], slow: str, fast: str) -> float:
    """How many times cheaper one way is than another, in CPU seconds."""
    return seconds[slow].cpu / seconds[fast].cpu


def all_the_same(values: Sequence[Any]) -> bool:
    """Whether tensors are equal bit for bit."""
    return all(torch.equal(values[0], value) for value in values[1:])


class _Counting(TorchDispatchMode):
    """torch's own counter also follows modules, which it cannot where gradients are taken of gradients."""

    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if (count := flop_registry.get(func._overloadpacket)) is not None:
            self.operations += count(*args, **(kwargs or {}), out_val=result)
        return result


def _timing(run: Run, device: str) -> Timing:
    if device == "cuda":
        torch.cuda.synchronize()
    cpu_started, started = time.process_time(), time.perf_counter()
    result = run()
    if device == "cuda":
        torch.cuda.synchronize()
    cpu, wall = time.process_time() - cpu_started, time.perf_counter() - started
    return result if isinstance(result, Timing) else Timing(wall if device == "cuda" else cpu, wall)

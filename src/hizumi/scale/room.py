"""Where the processes of a group go on a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """How many processes a cluster takes, with how many cores each, and whether each has a GPU."""

    processes: int
    cores: int
    gpus: bool

    @classmethod
    def on(cls, machines: Sequence[Mapping[str, float]], wanted: int, gpus: bool) -> "Room | None":
        """For the largest number of processes that divides the wanted one, as many cores as each can have.

        Machines are what Ray says of each: {"CPU": 8.0, "GPU": 1.0}. None where there is room for no process.
        """
        cores = [int(machine.get("CPU", 0)) for machine in machines]
        limits = [int(machine.get("GPU", 0)) if gpus else wanted for machine in machines]
        for processes in (count for count in range(wanted, 0, -1) if wanted % count == 0):
            for each in range(max(cores, default=0), 0, -1):
                if sum(min(of // each, limit) for of, limit in zip(cores, limits, strict=True)) >= processes:
                    return cls(processes, each, gpus)
        return None

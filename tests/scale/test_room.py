"""Where a group's processes go: against every way of placing them."""

from itertools import product

import pytest

from hizumi.scale.room import Room


def fits(machines: list[dict[str, float]], processes: int, cores: int, gpus: bool) -> bool:
    """By trying all numbers of processes on each machine."""
    counts = [range(processes + 1)] * len(machines)
    return any(
        sum(placed) >= processes
        and all(
            count * cores <= machine.get("CPU", 0) and (not gpus or count <= machine.get("GPU", 0))
            for count, machine in zip(placed, machines, strict=True)
        )
        for placed in product(*counts)
    )


@pytest.mark.parametrize("gpus", [False, True])
@pytest.mark.parametrize("cores", [(2,), (8,), (8, 4), (3, 3, 2), (1, 0), (5, 1, 1)])
@pytest.mark.parametrize("wanted", [1, 2, 3, 4, 6])
def test_the_most_processes_that_divide_them_get_the_most_cores(
    cores: tuple[int, ...], wanted: int, gpus: bool
) -> None:
    machines = [{"CPU": float(of), "GPU": float(of > 1)} for of in cores]
    room = Room.on(machines, wanted, gpus)
    able = [count for count in range(1, wanted + 1) if wanted % count == 0 and fits(machines, count, 1, gpus)]
    if not able:
        assert room is None
        return
    assert room is not None
    assert room.processes == max(able)
    assert fits(machines, room.processes, room.cores, gpus)
    assert not fits(machines, room.processes, room.cores + 1, gpus)


def test_an_empty_cluster_has_no_room() -> None:
    assert Room.on([], 2, gpus=False) is None

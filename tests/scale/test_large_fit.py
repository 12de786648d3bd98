"""One training on a cluster: equal to the plain launch, and to itself where processes and machines are lost."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from hizumi.cli import main
from hizumi.errors import UsageError
from hizumi.models import Autoencoder
from hizumi.runs.folder import open_run_folder
from hizumi.scale.group import train_on
from hizumi.training import Budget, TrainingOptions
from hizumi.training.loop import fit, make_fabric

ROOT = Path(__file__).parents[2]
DATA = torch.rand(24, 5, generator=torch.Generator().manual_seed(0))
OPTIONS = TrainingOptions(budget=Budget(steps=12), batch_size=4, devices=2, checkpoint_seconds=1e-9)

Fitted = tuple[dict[str, Tensor], list[dict[str, Any]]]


def run_cli(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def without_time(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def members_of(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.slow
def test_the_command_makes_the_bundle_that_the_plain_launch_makes(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # workers find relative paths, too
    Path("parts").mkdir()
    noise = torch.Generator().manual_seed(0)
    for number in range(12):
        pixels = torch.randint(90, 160, (16, 16), generator=noise).to(torch.uint8).numpy()
        Image.fromarray(pixels).save(f"parts/{number}.png")
    asked = ["fit", "parts", "-d", "ganomaly", "--preset", "small", "--steps", "4", "--batch-size", "2"]
    asked += ["--devices", "2", "-o"]
    plain = subprocess.run([sys.executable, "-m", "hizumi", *asked, "plain.hizumi"], capture_output=True, timeout=240)
    assert plain.returncode == 0, plain.stderr
    assert run_cli(*asked, "cluster.hizumi", "--on", head) == 0
    ours, theirs = members_of(Path("cluster.hizumi")), members_of(Path("plain.hizumi"))
    for name in ("weights.safetensors", "calibration.safetensors", "seen.safetensors", "model-card.md"):
        assert ours[name] == theirs[name], name
    journals = [[json.loads(line) for line in each["journal.jsonl"].splitlines()] for each in (ours, theirs)]
    assert without_time(journals[0]) == without_time(journals[1])
    assert len(journals[0]) == 4
    assert not Path("cluster.run").exists()


def test_more_processes_than_the_cluster_has_room_for_are_refused(head: str, tmp_path: Path) -> None:
    with (
        open_run_folder(tmp_path / "run", {}, resume=False, restart=False),
        pytest.raises(UsageError, match=r"room for 1 of 3 processes, one core each; lower --devices"),
    ):
        train_on(head, replace(OPTIONS, devices=3), tmp_path / "run", nothing, ignore, print)


def nothing(*, observe: Any) -> None: ...


def ignore(record: Any) -> None: ...


@dataclass(frozen=True)
class Undisturbed:
    def __call__(self, rank: int) -> bool:
        return False


@dataclass(frozen=True)
class Dies:
    """The process of one rank."""

    rank: int

    def __call__(self, rank: int) -> bool:
        return rank == self.rank

    def strike(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class MachineDies:
    """The machine of one process, which is not the one spared: what Ray runs there goes at once."""

    spared: str

    def __call__(self, rank: int) -> bool:
        import ray

        return ray.get_runtime_context().get_node_id() != self.spared

    def strike(self) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Work:
    """Trains, and is struck once, after seven steps."""

    folder: Path
    disturbance: Any

    def __call__(self, *, observe: Callable[[Mapping[str, Any]], None]) -> Fitted:
        fabric = make_fabric(OPTIONS)
        fabric.launch()

        def seen(record: Mapping[str, Any]) -> None:
            observe(record)
            if record["step"] == 7 and self.disturbance(fabric.global_rank):
                with suppress(FileExistsError):
                    (self.folder / "struck").touch(exist_ok=False)
                    self.disturbance.strike()

        model = Autoencoder(code=2)
        journal = fit([model], DATA, OPTIONS, run_folder=self.folder / "run", observe=seen, fabric=fabric)
        return model.state_dict(), journal.records


def trained(on: str, folder: Path, disturbance: Any) -> tuple[Fitted, list[str], list[int]]:
    """What came of it, what was said, and the steps that were observed."""
    folder.mkdir()
    said: list[str] = []
    steps: list[int] = []
    with open_run_folder(folder / "run", {}, resume=False, restart=False):
        work = Work(folder, disturbance)
        fitted = train_on(on, OPTIONS, folder / "run", work, lambda record: steps.append(record["step"]), said.append)
    return fitted, said, steps


@pytest.mark.scale
def test_a_lost_worker_changes_nothing(head: str, tmp_path: Path) -> None:
    """The first process, which writes checkpoints, or the other is killed in the middle: equal weights and journal."""
    (weights, records), said, steps = trained(head, tmp_path / "straight", Undisturbed())
    assert not said
    assert steps[-1] == len(records) == 12
    for rank in (1, 0):
        (others, continued), said, _ = trained(head, tmp_path / f"lost-{rank}", Dies(rank))
        assert said == ["1 of 2 processes were lost; going on from the last checkpoint"]
        assert all(torch.equal(others[name], value) for name, value in weights.items())
        assert without_time(continued) == without_time(records)


@pytest.mark.scale
def test_a_lost_machine_leaves_the_rest_to_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines of one core: one dies, the other takes the batches of both, and every step sees the same items."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT / "src", ROOT))))
    machines = Cluster(True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        machines.add_node(num_cpus=1, include_dashboard=False)
        (weights, records), said, _ = trained(
            machines.address, tmp_path / "lost", MachineDies(machines.head_node.node_id)
        )
    finally:
        machines.shutdown()
    assert any("going on from the last checkpoint" in note for note in said)
    processes = [record.get("processes", 2) for record in records]
    assert processes == sorted(processes, reverse=True)
    assert 5 <= processes.count(2) <= 7, "it was struck after seven steps, of which the last may not have been kept"
    assert [record["images_seen"] for record in records] == [8 * step for step in range(1, 13)]
    # Plain arithmetic without noise: half a batch after the other is both halves at once, up to rounding.
    straight = Autoencoder(code=2)
    alone = fit([straight], DATA, replace(OPTIONS, devices=1, batch_size=8))
    for name, value in straight.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-6)
    assert len(alone.records) == len(records)

"""Two raylets, of which one is killed; drivers killed; disks filled: no row is lost, none is doubled."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hizumi.errors import RunError
from hizumi.scale.archive import Archive, open_archive
from hizumi.scale.running import score_on
from tests.scale.archives import make_pictures, merged

pytestmark = pytest.mark.scale
TIMES = int(os.environ.get("HIZUMI_KILLS", "10"))
IMAGES = 600
LARGE = "64m"  # of the disk, once there is room


@pytest.fixture(scope="module")
def raylets() -> Iterator[Any]:
    """A cluster of two nodes with a core each, on this machine."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    make_pictures(folder, IMAGES)
    return folder


def test_a_node_that_is_killed(
    raylets: Any, many: Path, bundle: Path, tmp_path: Path, catalogue: Callable[..., None]
) -> None:
    wrong = []
    for number in range(TIMES):
        archive = open_archive(tmp_path / str(number), bundle, [str(many)])
        at = random.Random(number).uniform(0, 0.7)
        (node,) = [each for each in raylets.list_all_nodes() if each is not raylets.head_node]

        def kill(record: Mapping[str, Any], at: float = at, node: Any = node) -> None:
            if record["share"] > at and node in raylets.list_all_nodes():
                raylets.remove_node(node, allow_graceful=False)

        score_on(archive, raylets.address, workers=2, observe=kill)
        wrong += _wrong(archive)
        raylets.add_node(num_cpus=1)
    _row(catalogue, "a node of two killed", TIMES, wrong)


def test_a_driver_that_is_killed(
    raylets: Any, many: Path, bundle: Path, tmp_path: Path, catalogue: Callable[..., None]
) -> None:
    wrong, killed = [], 0
    for number in range(TIMES):
        out, until = tmp_path / str(number), random.Random(number).randint(0, 12)
        command = [sys.executable, "-m", "hizumi", "inspect", bundle, many, "-o", out, "--on", raylets.address]
        process = subprocess.Popen([*map(str, command), "--workers", "2"], stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list((out / "parts").glob("*.parquet"))) <= until:
            time.sleep(0.005)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        archive = open_archive(out, bundle, [str(many)])
        score_on(archive, raylets.address, workers=2)
        wrong += _wrong(archive)
    _row(catalogue, "the driver killed and begun again", killed, wrong)


def test_a_disk_that_is_filled(
    raylets: Any, many: Path, bundle: Path, tmp_path: Path, catalogue: Callable[..., None]
) -> None:
    wrong, filled = [], 0
    for number in range(TIMES):
        out = tmp_path / str(number)
        out.mkdir()
        if _mounted(f"size={LARGE}", out):
            pytest.skip("no small file system can be mounted here")
        try:
            archive = open_archive(out, bundle, [str(many)])
            used = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
            _mounted(f"remount,size={used // 1024 + 40 + 8 * number}k", out)
            try:
                score_on(archive, raylets.address, workers=2)
            except RunError as error:
                filled += "no space left" in str(error)
            _mounted(f"remount,size={LARGE}", out)
            score_on(archive, raylets.address, workers=2)
            wrong += _wrong(archive)
        finally:
            subprocess.run(["umount", str(out)], check=False)
    _row(catalogue, "the disk filled, then emptied and begun again", filled, wrong)


def _wrong(archive: Archive) -> list[str]:
    names = [row["name"] for row in merged(archive.folder)]
    expected = [f"{number:05d}.png" for number in range(IMAGES)]
    return [] if names == expected else [f"{archive.folder.name}: {len(names)} rows, {len(set(names))} names"]


def _row(catalogue: Callable[..., None], what: str, times: int, wrong: list[str]) -> None:
    catalogue(
        f"an archive of {IMAGES} images on a cluster of two raylets: {what}, {TIMES} times",
        f"{times} times, {len(wrong)} archives with rows lost or doubled",
        mark=f"{TIMES}, 0",
        holds=times == TIMES and not wrong,
    )
    assert not wrong, wrong


def _mounted(options: str, folder: Path) -> int:
    return subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
    ).returncode

"""Archives on a cluster: the rows of `hizumi inspect`, one an image, whichever process dies meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hizumi.errors import RunError, UsageError
from hizumi.scale.archive import open_archive
from hizumi.scale.parts import path_of
from hizumi.scale.running import _unseen, score_on
from tests.scale.archives import make_pictures, merged, refuse_other_rows
from tests.scale.processes import processes_of_ours

IMAGES = 400


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    make_pictures(folder, IMAGES)
    (folder / "damaged.png").write_bytes(b"no picture")
    return folder


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed(head: str, many: Path, bundle: Path, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "out", bundle, [str(many)])
    seen: list[Mapping[str, Any]] = []

    def kill_one(record: Mapping[str, Any]) -> None:
        if not seen:
            os.kill(processes_of_ours("ray::MapWorker")[0], signal.SIGKILL)
        seen.append(record)

    score_on(archive, head, workers=2, observe=kill_one)
    rows = merged(tmp_path / "out")
    assert len(rows) == IMAGES + 1
    refuse_other_rows(rows, bundle, many)
    assert seen[-1]["share"] == 1
    assert seen[-1]["losses"].keys() == {"images/s", "images", "alarms"}


def test_a_worker_that_cannot_write_ends_the_run_in_one_line(
    head: str, many: Path, bundle: Path, tmp_path: Path
) -> None:
    archive = open_archive(tmp_path / "out", bundle, [str(many)])
    path_of(tmp_path / "out", 3).mkdir(parents=True)  # where a part is to be written
    with pytest.raises(
        RunError, match=r"could not write .*00000003.parquet.*give the same command again to go on"
    ) as c:
        score_on(archive, head, workers=1)
    assert "\n" not in str(c.value)


def test_a_node_that_does_not_see_the_folder(many: Path, bundle: Path, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "out", bundle, [str(many)])
    digest = archive.listed.digest
    assert _unseen(str(tmp_path / "out"), digest, str(many / "00000.png")) == ""
    assert _unseen(str(tmp_path / "absent"), digest, "") == str(tmp_path / "absent")
    assert _unseen(str(tmp_path / "out"), "another", "") == str(tmp_path / "out")
    assert _unseen(str(tmp_path / "out"), digest, str(many / "absent.png")) == str(many / "absent.png")


@pytest.mark.scale
def test_a_driver_that_is_killed(head: str, many: Path, bundle: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hizumi", "inspect", bundle, many, "-o", tmp_path / "out", "--on", head]
    process = subprocess.Popen([*map(str, command), "--workers", "2"], stderr=subprocess.DEVNULL)
    while process.poll() is None and not list((tmp_path / "out" / "parts").glob("*.parquet")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    subprocess.run([*map(str, command)], check=True)
    refuse_other_rows(merged(tmp_path / "out"), bundle, many)


@pytest.mark.scale
def test_through_the_client(head: str, many: Path, bundle: Path, tmp_path: Path) -> None:
    host, _, port = head.partition(":")
    archive = open_archive(tmp_path / "out", bundle, [str(many)])
    score_on(archive, f"ray://{host}:{int(port) + 1}", workers=2)
    refuse_other_rows(merged(tmp_path / "out"), bundle, many)


def test_an_address_where_nothing_answers(many: Path, bundle: Path, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "out", bundle, [str(many)])
    with pytest.raises(UsageError, match=r"--on 127\.0\.0\.1:9: no cluster answers there"):
        score_on(archive, "127.0.0.1:9")

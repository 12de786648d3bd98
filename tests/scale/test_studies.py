"""Studies in a file and on a server: one command at a time, and the second one is told who the first is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hizumi.errors import UsageError
from hizumi.scale.holding_studies import held_study
from tests.station.postgresql import emptied, postgresql as postgresql  # a fixture

from .parts import command, write_parts

HOLDING = """
import sys
from hizumi.scale.holding_studies import held_study
with held_study(sys.argv[1], "pca"):
    print("held", flush=True)
    sys.stdin.read()
"""


def refuse_no_lock(url: str) -> None:
    """Fail where a study is not held against another process until that one is killed, and another study is."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=rf"is in use by process {holder.pid} on .* since .*; wait until"):
            held_study(url, "pca").__enter__()
        with held_study(url, "another"):
            pass
        holder.kill()
    with held_study(url, "pca"), pytest.raises(UsageError, match=f"process {os.getpid()} on"):
        held_study(url, "pca").__enter__()


def test_a_study_in_a_file_is_held_by_one_command(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'best.study.db'}"
    refuse_no_lock(url)
    assert not list(tmp_path.iterdir())  # nothing of it is left behind
    with held_study(url, "pca"):
        parts = write_parts(tmp_path / "parts.npz")
        outcome = command("tune", parts, "-d", "pca", "-o", tmp_path / "best.hizumi", "--trials", 1)
    assert outcome.code == 2
    assert f"is in use by process {os.getpid()}" in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "best.hizumi").exists()


@pytest.mark.slow
def test_a_study_on_a_server_is_held_and_gone_on_with(postgresql: str, tmp_path: Path) -> None:
    url = emptied(postgresql)
    refuse_no_lock(url)
    tune = ["tune", write_parts(tmp_path / "parts.npz"), "-d", "pca", "--rounds", 2, "--cores", 1, "--json", "-"]
    in_file = command(*tune, "-o", tmp_path / "file.hizumi", "--trials", 3)
    begun = command(*tune, "-o", tmp_path / "server.hizumi", "--storage", url, "--trials", 1)
    assert begun.code == 0
    on_server = command(*tune, "-o", tmp_path / "server.hizumi", "--storage", url, "--trials", 3)
    assert on_server.json["study"]["trials"] == in_file.json["study"]["trials"]
    assert not (tmp_path / "server.study.db").exists()
    other = command(*tune, "-o", tmp_path / "server.hizumi", "--storage", url, "--trials", 3, "--seed", 1)
    assert "was begun with another seed" in other.err
    gone = command(*tune, "-o", tmp_path / "gone.hizumi", "--storage", "postgresql://x:secret@127.0.0.1:1/none")
    assert gone.code == 1
    assert "the study could not be kept in postgresql" in gone.err
    assert "secret" not in gone.err

"""Runs that other programs are told of: every number of the journal once, whatever happens to either."""

import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hizumi.errors import RunError, UsageError
from hizumi.runs.tracking import targets, tracker
from hizumi.runs.tracking.targets import split_target
from hizumi.runs.tracking.to_mlflow import SILENT
from hizumi.runs.tracking.tracker import tracked
from hizumi.runs.tracking.writer import Made, Metric, Outcome, Writer
from hizumi.training.journal import Journal

ROOT = Path(__file__).parents[2]
REQUEST = {"detector": "pca", "training": {"seed": 3}}


class Program:
    """Remembers what it was told; `fails` says at which call it stops answering."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, Mapping[str, str], str | None]] = []
        self.metrics: list[Metric] = []
        self.made: list[Made] = []
        self.outcomes: list[Outcome] = []
        self.fails = ""

    def answer(self, call: str) -> None:
        if call == self.fails:
            raise ConnectionError(f"no route\nto the {call}")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    told = Program()

    class Telling(Writer):
        def begin(self, name: str, options: Mapping[str, str], earlier: str | None) -> str:
            told.answer("begin")
            told.begun.append((name, options, earlier))
            return "run 1"

        def write(self, metrics: Sequence[Metric]) -> None:
            told.answer("write")
            told.metrics += metrics

        def keep(self, made: Made) -> None:
            told.answer("keep")
            told.made.append(made)

        def end(self, outcome: Outcome) -> None:
            told.answer("end")
            told.outcomes.append(outcome)

    monkeypatch.setitem(targets.WRITERS, "mlflow", lambda address: Telling())
    monkeypatch.setattr(tracker, "SECONDS_BETWEEN", 0.0)
    return told


def record(step: int, **others: Any) -> dict[str, Any]:
    return {"phase": "VAE", "step": step, "images_seen": 8 * step, "losses": {"bound": 1 / step}} | others


def run(folder: Path, steps: range, said: list[str], *, fails_after: int | None = None) -> None:
    journal = Journal(folder / "journal.jsonl")
    with tracked(["mlflow:here"], folder, "parts", REQUEST, said.append) as tracking:
        observe = tracking.beside(lambda seen: None)
        for step in steps:
            journal.write(record(step))
            observe({"step": step})
            if step == fails_after:
                raise KeyboardInterrupt
        (folder / "parts.hizumi").write_bytes(b"bundle")
        tracking.keep(folder / "parts.hizumi", {"threshold": 2.0, "promised_rate": None})


def test_every_number_of_the_journal_is_written_once(tmp_path: Path, program: Program) -> None:
    said: list[str] = []
    run(tmp_path, range(1, 4), said)
    assert program.begun == [("parts", {"detector": "pca", "training.seed": "3"}, None)]
    bounds = [(metric.step, metric.value) for metric in program.metrics if metric.name == "VAE/bound"]
    assert bounds == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert [metric.value for metric in program.metrics if metric.name == "VAE/images_seen"] == [8, 16, 24]
    assert program.made == [Made(tmp_path / "parts.hizumi", hashlib.sha256(b"bundle").hexdigest(), {"threshold": 2.0})]
    assert program.outcomes == ["finished"]
    assert not said
    assert not (tmp_path / tracker.STATE).exists()


def test_an_interrupted_run_is_gone_on_with_and_nothing_is_written_twice(tmp_path: Path, program: Program) -> None:
    """Three steps are told; the checkpoint is of the first, so that two are taken again."""
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, range(1, 4), [], fails_after=3)
    Journal(tmp_path / "journal.jsonl").rewind("VAE", 1)
    run(tmp_path, range(2, 6), [])
    assert [earlier for _, _, earlier in program.begun] == [None, "run 1"]
    assert [metric.step for metric in program.metrics if metric.name == "VAE/bound"] == [1, 2, 3, 4, 5]
    assert program.outcomes == ["interrupted", "finished"]


def test_folds_have_curves_of_their_own_and_what_is_not_finite_has_no_point(tmp_path: Path, program: Program) -> None:
    for fold in (1, 2):
        Journal(tmp_path / f"fold-{fold}" / "journal.jsonl").write(record(fold, losses={"a": float("nan"), "b": 2.0}))
    run(tmp_path, range(1, 2), [])
    names = {metric.name for metric in program.metrics if not metric.name.endswith("images_seen")}
    assert names == {"VAE/bound", "fold-1/VAE/b", "fold-2/VAE/b"}


@pytest.mark.parametrize("call", ["write", "keep", "end"])
def test_a_program_that_no_longer_answers_ends_nothing(tmp_path: Path, program: Program, call: str) -> None:
    program.fails = call
    said: list[str] = []
    run(tmp_path, range(1, 4), said)
    [note] = said
    assert "--track mlflow:here: it can no longer be written to (no route)" in note
    assert len(Journal.read(tmp_path / "journal.jsonl")) == 3


def test_a_program_that_cannot_be_reached_is_said_before_the_work(tmp_path: Path, program: Program) -> None:
    program.fails = "begin"
    with pytest.raises(RunError, match=r"--track mlflow:here: it cannot be written to \(no route\)"):
        run(tmp_path, range(1, 4), [])


@pytest.mark.parametrize("target", ["mlflow", "mlflow:", "wandb:team", ":x", ""])
def test_other_programs_are_refused(target: str) -> None:
    with pytest.raises(UsageError, match="give mlflow:URI"):
        split_target(target)
    assert split_target("mlflow:sqlite:///runs.db") == ("mlflow", "sqlite:///runs.db")


@pytest.mark.slow
def test_mlflow_and_tensorboard_show_what_the_journal_holds_and_nobody_is_called(tmp_path: Path) -> None:
    """Read back from MLflow's tables and TensorBoard's files; every attempt at the network is counted."""
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(40, 3)))
    (tmp_path / "counts").write_text("[]")
    command = [*("fit", "rows.npy", "-d", "reconstruction", "--steps", "5", "--batch-size", "8", "-o", "rows.hizumi")]
    command += ["--track", "mlflow:sqlite:///runs.db", "--track", "tensorboard:curves"]
    guarded = [sys.executable, "-m", "tests.hard.offline", "--guarded", "counts", "-m", "hizumi", *command]
    # Without the variables of tests and of continuous integration, in which MLflow keeps silent by itself.
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ}
    plain["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "src")))
    done = subprocess.run(guarded, cwd=tmp_path, env=plain, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "counts").read_text()) == []
    with zipfile.ZipFile(tmp_path / "rows.hizumi") as bundle:
        records = [json.loads(line) for line in bundle.read("journal.jsonl").splitlines()]
    expected = {(step["step"], value) for step in records for value in step["losses"].values()}
    sha256 = hashlib.sha256((tmp_path / "rows.hizumi").read_bytes()).hexdigest()
    assert len(expected) == 5
    assert _in_mlflow(tmp_path / "runs.db", sha256) == expected
    assert _in_tensorboard(tmp_path / "curves") == {(step, float(np.float32(value))) for step, value in expected}
    assert len(list((tmp_path / "runs.files").rglob("rows.hizumi"))) == 1


@pytest.mark.slow
def test_a_server_of_mlflow_holds_what_the_journal_holds(tmp_path: Path) -> None:
    for package in ("mlflow", "flask", "uvicorn"):
        pytest.importorskip(package, reason=f"MLflow's server needs {package}")
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(40, 3)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    serve += ["--backend-store-uri", "sqlite:///runs.db", "--artifacts-destination", "kept"]
    environment = os.environ | SILENT | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(serve, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(port, server)
        fit = ["fit", "rows.npy", "-d", "reconstruction", "--steps", "5", "--batch-size", "8", "-o", "rows.hizumi"]
        tracked_at = ["--track", f"mlflow:http://127.0.0.1:{port}"]
        subprocess.run([sys.executable, "-m", "hizumi", *fit, *tracked_at], cwd=tmp_path, check=True, timeout=600)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    with zipfile.ZipFile(tmp_path / "rows.hizumi") as bundle:
        records = [json.loads(line) for line in bundle.read("journal.jsonl").splitlines()]
    sha256 = hashlib.sha256((tmp_path / "rows.hizumi").read_bytes()).hexdigest()
    expected = {(step["step"], value) for step in records for value in step["losses"].values()}
    assert _in_mlflow(tmp_path / "runs.db", sha256) == expected
    [kept] = (tmp_path / "kept").rglob("rows.hizumi")
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == sha256


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 120
    while True:
        assert server.poll() is None
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < until
        time.sleep(0.1)


def _in_mlflow(database: Path, sha256: str) -> set[tuple[int, float]]:
    tables = sqlite3.connect(database)
    ask: Callable[[str], list[tuple[Any, ...]]] = lambda question: tables.execute(question).fetchall()  # noqa: E731
    try:
        assert ask("SELECT status, name FROM runs") == [("FINISHED", "rows")]
        assert ("training.seed", "0") in ask("SELECT key, value FROM params")
        assert ask("SELECT value FROM model_version_tags WHERE key = 'sha256'") == [(sha256,)]
        assert ask("SELECT name, version FROM model_versions") == [("rows", 1)]
        losses = "SELECT step, value FROM metrics WHERE key LIKE 'Autoencoder/%' AND key NOT LIKE '%images_seen'"
        return {(step, value) for step, value in ask(losses)}
    finally:
        tables.close()


def _in_tensorboard(folder: Path) -> set[tuple[int, float]]:
    """Read in a process of its own, for its library warns of itself."""
    code = (
        "import json, sys; from tensorboard.backend.event_processing.event_accumulator import EventAccumulator as E\n"
        "events = E(sys.argv[1]); events.Reload()\n"
        "tags = [tag for tag in events.Tags()['scalars'] if tag.startswith('Autoencoder') and 'seen' not in tag]\n"
        "print(json.dumps([(each.step, each.value) for tag in tags for each in events.Scalars(tag)]))"
    )
    [run] = folder.iterdir()
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=True)
    return {(step, value) for step, value in json.loads(done.stdout.splitlines()[-1])}

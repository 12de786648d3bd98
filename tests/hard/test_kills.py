"""Runs killed at any moment, and gone on with: the same weights and journals as of a run that nothing disturbed."""

import multiprocessing
import os
import random
import re
import resource
import signal
import time
import zipfile
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkProcess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from hizumi.cli import main
from hizumi.detectors import FAnoGAN, FAnoGANEncoding
from hizumi.models import DCGAN
from hizumi.runs.folder import REQUEST, discard_checkpoints
from hizumi.training import Budget, TrainingOptions
from tests.hard.conftest import hizumi_process, run_hizumi, save_pictures, stripes

POINTS = 20
MOST = 0.85  # of the time that the command takes, so that nearly all points come before its end
WRITES, STEPS = 100, 6
FITS = {
    "one phase": ["fit", "-d", "reconstruction", "--steps", "120", "--image-size", "32"],
    "two phases": ["fit", "-d", "f_anogan", "--preset", "fast", "--steps", "40", "--image-size", "32"],
    "folds": ["fit", "-d", "reconstruction", "--steps", "30", "--folds", "3", "--image-size", "32"],
    "statistics alone": ["fit", "-d", "mahalanobis"],
    "a model": ["model", "train", "vae", "--steps", "120", "--image-size", "32"],
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    save_pictures(folder, stripes(np.random.default_rng(0), 80))
    return folder


@pytest.mark.parametrize("kind", FITS)
def test_kill_minus_nine_and_resume(kind: str, pictures: Path, tmp_path: Path, catalogue: Callable[..., None]) -> None:
    torch.set_num_threads(1)
    with pytest.raises(SystemExit):  # here, so that forks find imported what the command imports
        main([str(word) for word in _command(FITS[kind], pictures, tmp_path / "straight.hizumi")])
    expected = _trained(tmp_path / "straight.hizumi")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert _ended(_begun(_command(FITS[kind], pictures, tmp_path / "forked.hizumi"))) == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lasted = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    killed, equal, wrong = 0, 0, []
    for point in range(POINTS):
        output = tmp_path / f"{point}.hizumi"
        command = _command(FITS[kind], pictures, output)
        if not _killed_after(lasted * MOST * (point + 0.5) / POINTS, command):
            continue  # it had ended by itself
        killed += 1
        # Killed before anything was begun, or after all was written, there is nothing to resume.
        begun = (output.with_suffix(".run") / REQUEST).exists()
        again = [*command, "--resume"] if begun else command
        code = _ended(_begun(again))
        if code == 0 and _trained(output) == expected:
            equal += 1
        else:
            wrong.append(f"{point}: {code}")
    catalogue(
        f"kill -9 at {POINTS} points, then --resume: {kind}",
        f"{equal} of {killed} equal in weights and journal",
        mark="all",
        holds=equal == killed > 0,
    )
    assert not wrong, wrong


def test_kill_minus_nine_while_a_checkpoint_is_written(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    chance, forks = random.Random(0), multiprocessing.get_context("fork")
    expected = _fitted(tmp_path / "straight")
    equal, killed, scraps = 0, 0, 0
    for number in range(WRITES):
        folder, stage = tmp_path / str(number), ("half written", "not flushed", "renamed")[number % 3]
        process = forks.Process(target=_fitted_until, args=(folder, chance.randint(1, 2 * STEPS), stage))
        process.start()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        equal += _fitted(folder) == expected
        discard_checkpoints(folder)
        scraps += len(list(folder.iterdir()))
    catalogue(
        f"kill -9 while a checkpoint is written, {WRITES} times, then resumed: half written, not flushed, renamed",
        f"{killed} killed, {equal} equal in weights and journal, {scraps} scraps left in the end",
        mark=f"{WRITES}, {WRITES}, 0",
        holds=killed == equal == WRITES and not scraps,
    )


def _fitted(folder: Path) -> tuple[bytes, list[dict[str, object]]]:
    """What a fit of two phases gives that goes on from what is in the folder."""
    images = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    options = TrainingOptions(budget=Budget(steps=STEPS), checkpoint_seconds=0.0)
    detector = FAnoGAN(FAnoGANEncoding(DCGAN(4, 4))).fit(images, options, run_folder=folder)
    records = [{**record, "seconds": None} for record in detector.journal.records]
    return save(detector.state_dict()), records


def _fitted_until(folder: Path, write: int, stage: str) -> None:
    """In a process of its own: fit, and die at a stage of one of the writes of checkpoints."""
    written, flush, rename = 0, os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        nonlocal written
        if ".hizumi-" not in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            return flush(descriptor)  # a folder
        size = os.fstat(descriptor).st_size
        written += size > 10_000  # smaller ones are the holder's name
        if written == write and stage != "renamed":
            if stage == "half written":
                os.ftruncate(descriptor, size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return flush(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        if written == write:
            os.kill(os.getpid(), signal.SIGKILL)
        return moved

    os.fsync, Path.replace = flushed, renamed  # type: ignore[assignment, method-assign]
    _fitted(folder)


def test_two_fits_into_one_output(pictures: Path, tmp_path: Path, catalogue: Callable[..., None]) -> None:
    output = tmp_path / "parts.hizumi"
    long = ["fit", "-d", "reconstruction", "--steps", "600", "--image-size", "32"]
    first = hizumi_process(*_command(long, pictures, output), "--seed", "0")
    while not output.with_suffix(".run").exists() and first.poll() is None:
        time.sleep(0.05)
    second = run_hizumi(*_command(long, pictures, output), "--seed", "1")
    assert first.wait(timeout=600) == 0
    alone = run_hizumi(*_command(long, pictures, tmp_path / "alone.hizumi"), "--seed", "0")
    assert alone.code == 0, alone.err
    refused = second.code == 2 and second.is_clean and len(second.err.strip().splitlines()) == 1
    catalogue(
        "Two fits into one output at once",
        f"the second {'refused in one line' if refused else f'ended with {second.code}'}, the first "
        f"{'as if alone' if _trained(output) == _trained(tmp_path / 'alone.hizumi') else 'changed'}",
        mark="the second refused in one line, the first as if alone",
        holds=refused and _trained(output) == _trained(tmp_path / "alone.hizumi"),
    )


def test_two_inspections_at_once(pictures: Path, tmp_path: Path, catalogue: Callable[..., None]) -> None:
    bundle = tmp_path / "parts.hizumi"
    assert run_hizumi("fit", pictures, "-d", "pca", "-o", bundle).code == 0
    outputs = [tmp_path / f"{number}.csv" for number in range(4)]
    running = [hizumi_process("inspect", bundle, pictures, "--csv", output) for output in outputs]
    codes = [process.wait(timeout=600) for process in running]
    tables = {output.read_text(encoding="utf-8") for output in outputs}
    catalogue(
        "Four inspections by one bundle at once",
        f"exit statuses {sorted(set(codes))}, {len(tables)} different tables",
        mark="0, one table",
        holds=codes == [0] * 4 and len(tables) == 1,
    )


def _command(words: Sequence[str], pictures: Path, output: Path) -> list[str | Path]:
    place = 3 if words[0] == "model" else 1
    return [*words[:place], pictures, *words[place:], "-o", output]


def _begun(command: Sequence[object]) -> ForkProcess:
    """A command in a fork of this process, which has imported what it imports."""
    process = multiprocessing.get_context("fork").Process(target=_run, args=([str(word) for word in command],))
    process.start()
    return process


def _run(words: Sequence[str]) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    main(words)


def _ended(process: ForkProcess) -> int | None:
    process.join()
    return process.exitcode


def _killed_after(cpu_seconds: float, command: Sequence[object]) -> bool:
    """By its own time, which other programs do not stretch."""
    process = _begun(command)
    while process.is_alive():
        user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        if (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") >= cpu_seconds:
            process.kill()
            break
        time.sleep(0.005)
    return _ended(process) == -signal.SIGKILL


def _trained(bundle: Path) -> dict[str, bytes]:
    """What a bundle holds that a second run must give again: all but the header, in which times stand."""
    with zipfile.ZipFile(bundle) as archive:
        return {
            name: _without_times(archive.read(name))
            for name in archive.namelist()
            if name.endswith((".safetensors", ".jsonl"))
        }


def _without_times(content: bytes) -> bytes:
    return re.sub(rb'"seconds": [0-9.e+-]+', b"", content)

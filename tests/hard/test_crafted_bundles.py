"""Bundles that nobody's fit has written, through every command that takes one."""

import contextlib
import io
import itertools
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hizumi import generation, inspection
from hizumi.cli import main
from hizumi.export import export
from hizumi.memory import peak_memory
from hizumi.runtime.command import main as run_exported
from hizumi.storage.archive import kind_of
from tests.hard.conftest import save_pictures
from tests.inspection.crafted import crafted
from tests.inspection.test_earlier import BUNDLES, images, table

EXPORTED = "mahalanobis.onnx"
NAMES = ("mahalanobis_rows", "reconstruction", "ganomaly", "ensemble", "vae_model", "pix2pix_model", EXPORTED)
COUNT, SLOWEST_SECONDS, LARGEST_MB = 3_000, 5.0, 200
QUICK = (
    ("info", "{bundle}"),
    ("inspect", "{bundle}", "{data}", "--json", "-"),
    ("inspect", "{bundle}", "{data}", "--csv", "{out}/told.csv", "--maps", "{out}/maps"),
    ("calibrate", "{bundle}", "--false-alarm-rate", "0.2", "-o", "{out}/other.hizumi"),
    ("evaluate", "{bundle}", "{labelled}", "-o", "{out}/evaluation"),
)
EXPORT = ("export", "{bundle}", "--data", "{data}", "-o", "{out}/exported.hizumi")
COMMANDS = {
    "detector": (*4 * QUICK, EXPORT),  # tracing a network takes 20 s, where the bundle is none that is refused
    "exported": (
        ("info", "{bundle}"),
        ("inspect", "{bundle}", "{data}", "--json", "-"),
        ("runtime", "{bundle}", "{data}"),
    ),
    "model": (
        ("info", "{bundle}"),
        ("model", "sample", "{bundle}", "--count", "2", "-o", "{out}/samples"),
        ("model", "reconstruct", "{bundle}", "{data}", "-o", "{out}/rebuilt"),
        ("model", "translate", "{bundle}", "{data}", "-o", "{out}/translated"),
        ("model", "likelihood", "{bundle}", "{data}"),
        ("model", "evaluate", "{bundle}", "{data}"),
    ),
}


def test_crafted_bundles_through_every_command(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    endings: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    wrong, slowest, largest = [], 0.0, 0
    for seed, name in enumerate(NAMES):
        bundle, words = tmp_path / "x.hizumi", _words(tmp_path, name)
        _renewed(BUNDLES / f"{name}.hizumi", bundle)
        commands = itertools.cycle(COMMANDS[kind_of(bundle)])
        count = COUNT // len(NAMES) + (seed < COUNT % len(NAMES))
        for (told, content), command in zip(crafted(bundle, count, seed), commands, strict=False):
            bundle.write_bytes(content)
            before = peak_memory()
            ending, seconds = _ended([word.format(**words) for word in command])
            added = (peak_memory() - before) >> 20
            endings[ending] += 1
            counts[" ".join(command[: command.index("{bundle}")])] += 1
            if ending != "done":  # one that is used may take what its command takes
                slowest, largest = max(slowest, seconds), max(largest, added)
            if ending != "done" and (ending != "refused" or seconds > SLOWEST_SECONDS or added > LARGEST_MB):
                wrong.append(f"{name}, {command[:2]}, {told}: {ending}, {seconds:.1f} s, {added} MB")
    catalogue(
        f"{COUNT:,} crafted bundles of {len(NAMES)} kinds through all commands that take one",
        f"{endings['refused']:,} refused in one line, {endings['done']:,} used, {len(wrong)} ended otherwise; slowest "
        f"refusal {slowest:.1f} s of CPU, largest {largest} MB more memory than any command before; "
        + ", ".join(f"{name} {count:,}" for name, count in counts.items())
        + "".join(f"; {each.replace('|', '/')}" for each in wrong[:3]),
        mark=f"0 otherwise, {SLOWEST_SECONDS:.0f} s, {LARGEST_MB} MB",
        holds=not wrong,
    )
    assert not wrong, wrong


def _words(folder: Path, name: str) -> dict[str, str]:
    """Data that the bundle takes, and where a command may write."""
    for kind in ("good", "scratch"):
        save_pictures(folder / "labelled" / "test" / kind, images())
    np.savetxt(folder / "rows.csv", table(), delimiter=",")
    (folder / "out").mkdir(exist_ok=True)
    has_rows = name in ("mahalanobis_rows", EXPORTED)
    whole = folder / ("rows.csv" if has_rows else "labelled")
    good = whole if has_rows else whole / "test" / "good"
    return {"bundle": f"{folder / 'x.hizumi'}", "out": f"{folder / 'out'}", "data": f"{good}", "labelled": f"{whole}"}


def _renewed(source: Path, target: Path) -> None:
    """A bundle in today's format."""
    match kind_of(source):
        case "model":
            generation.save(generation.load(source), target)
        case "detector":
            inspection.save(inspection.load(source), target)
        case _:
            export(inspection.load(BUNDLES / "mahalanobis_rows.hizumi"), target, table())


def _ended(words: list[str]) -> tuple[str, float]:
    """How a command in this process ends, in a word or in those of what is wrong with it, and its CPU time."""
    began, out, err, code = time.process_time(), io.StringIO(), io.StringIO(), 0
    with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        warnings.simplefilter("ignore")
        try:
            code = run_exported(words[1:]) if words[0] == "runtime" else main(words)
        except SystemExit as ended:
            code = ended.code
        except BaseException as error:  # whatever it is, it should have been one of ours
            return f"{type(error).__name__}: {error}"[:300], time.process_time() - began
    seconds = time.process_time() - began
    if "\x1b]" in out.getvalue() + err.getvalue() or "\x1b[31mred" in out.getvalue() + err.getvalue():
        return "terminal commands", seconds
    if code == 0:
        return "done", seconds
    errors = [line for line in err.getvalue().splitlines() if "Error:" in line]
    return ("refused" if code in (1, 2) and len(errors) == 1 else f"{code}: {err.getvalue()[-300:]}"), seconds

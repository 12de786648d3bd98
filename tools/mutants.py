"""Changes one line of the source at a time, as it is imported, and runs the tests that ought to notice.

    python -m tools.mutants                 all of tests/mutants/mutants.toml; exit with 1 below the mark
    python -m tools.mutants vae pix2pix     those of files whose paths contain one of these words

What is found goes to benchmarks/results/mutants.json; of a part of them, in place of what was known of these files.
Each mutant runs in a fork of a process that has imported the large libraries already, so that it costs little more than
the tests themselves.
"""

import argparse
import importlib
import importlib.abc
import importlib.machinery
import json
import multiprocessing
import os
import shlex
import signal
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import spec_from_loader
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).parents[1]
SOURCE, LIST = ROOT / "src" / "hizumi", ROOT / "tests" / "mutants" / "mutants.toml"
RESULTS = ROOT / "benchmarks" / "results" / "mutants.json"
LEAST_KILLED = 0.95
MINUTES = 15  # for the tests of one mutant; those that hang have noticed it
LIBRARIES = (
    "torch", "numpy.random", "scipy.stats", "sklearn.mixture", "skimage.metrics", "PIL.Image", "pydantic", "typer",
    "rich.console", "tifffile", "safetensors.torch", "lightning_fabric", "beartype", "matplotlib.figure",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A line of a source file, and what it becomes; `harmless` is why no test can notice."""

    path: str
    before: str
    after: str
    tests: tuple[str, ...]
    harmless: str | None = None
    count: int = 1  # of the places where the line stands; all are changed

    @property
    def is_stale(self) -> bool:
        """Whether the source no longer has the line, or has it elsewhere too."""
        source = SOURCE / self.path
        return not source.exists() or source.read_text(encoding="utf-8").count(self.before) != self.count

    def applied_to(self, text: str) -> str:
        """The source with the line changed."""
        return text.replace(self.before, self.after)

    def __str__(self) -> str:
        return f"{self.path}: {self.before}  ->  {self.after}"


@dataclass(frozen=True)
class Finding:
    """What became of a mutant: `killed`, `survived`, `stale`, or `unproven`, where the tests fail anyhow."""

    mutant: Mutant
    verdict: str
    killer: str = ""  # the test that noticed first

    @property
    def row(self) -> dict[str, str]:
        """As the results hold it."""
        mutant = self.mutant
        killer = {"by": self.killer} if self.killer else {}
        return {"path": mutant.path, "before": mutant.before, "after": mutant.after, "verdict": self.verdict, **killer}


def read_mutants() -> list[Mutant]:
    """All of the list."""
    files = tomllib.loads(LIST.read_text(encoding="utf-8"))["file"]
    return [Mutant(file["path"], tests=tuple(file["tests"]), **mutant) for file in files for mutant in file["mutants"]]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="parts of paths; all files where there are none")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    chosen = [
        mutant
        for mutant in read_mutants()
        if mutant.harmless is None and (not arguments.words or any(word in mutant.path for word in arguments.words))
    ]
    for library in LIBRARIES:
        importlib.import_module(library)
    findings = _proved(list(_tried(chosen, arguments.workers)))
    killed = sum(finding.verdict == "killed" for finding in findings)
    for finding in findings:
        if finding.verdict != "killed":
            print(f"{finding.verdict:9} {finding.mutant}  {finding.killer}")
    print(f"{killed} of {len(chosen)} mutants killed ({killed / len(chosen):.1%})")
    _record(findings)
    sys.exit(killed < LEAST_KILLED * len(chosen) or any(finding.verdict == "stale" for finding in findings))


def _record(findings: Sequence[Finding]) -> None:
    """Write the findings, and keep those of other files that the list still has."""
    tried = {finding.mutant.path for finding in findings}
    others = {mutant.path for mutant in read_mutants()} - tried
    known = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else []
    rows = [row for row in known if row["path"] in others] + [finding.row for finding in findings]
    summary = {
        "mutants": len(rows),
        "killed": sum(row["verdict"] == "killed" for row in rows),
        "rows": sorted(rows, key=lambda row: row["path"]),
    }
    RESULTS.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _tried(mutants: Sequence[Mutant], workers: int) -> Iterator[Finding]:
    """What becomes of each mutant, as they end."""
    waiting, running = list(mutants), dict[int, tuple[ForkProcess, Connection, Mutant]]()
    while waiting or running:
        while waiting and len(running) < workers:
            mutant = waiting.pop(0)
            if mutant.is_stale:
                yield _told(Finding(mutant, "stale"))
            else:
                process, answers = _begun(mutant.tests, mutant)
                running[process.sentinel] = process, answers, mutant
        for sentinel in wait(list(running)):
            assert isinstance(sentinel, int)
            process, answers, mutant = running.pop(sentinel)
            process.join()
            yield _told(_finding(process, answers, mutant))


def _told(finding: Finding) -> Finding:
    print(f"{finding.verdict:9} {finding.mutant}  {finding.killer}", flush=True)
    return finding


def _finding(process: ForkProcess, answers: Connection, mutant: Mutant) -> Finding:
    answer = _answer(answers)
    if process.exitcode == -signal.SIGALRM:
        return Finding(mutant, "killed", f"no end within {MINUTES} minutes")
    if answer is None:
        return Finding(mutant, "unproven", f"the process ended with {process.exitcode}")
    return Finding(mutant, "killed", answer[0]) if answer else Finding(mutant, "survived")


def _proved(findings: list[Finding]) -> list[Finding]:
    """Findings, of which those are unproven whose test fails on the source as it is."""
    killers = {finding.killer for finding in findings if "::" in finding.killer}
    if not killers:
        return findings
    process, answers = _begun([shlex.join(sorted(killers))], None)
    failing = _answer(answers)
    process.join()
    return [
        Finding(each.mutant, "unproven", each.killer)
        if each.killer in killers and (failing is None or each.killer in failing)
        else each
        for each in findings
    ]


def _answer(answers: Connection) -> list[str] | None:
    try:
        return list(answers.recv())
    except EOFError:
        return None


def _begun(tests: Sequence[str], mutant: Mutant | None) -> tuple[ForkProcess, Connection]:
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_run, args=(tests, mutant, there))
    process.start()
    there.close()
    return process, here


def _run(tests: Sequence[str], mutant: Mutant | None, answers: Connection) -> None:
    """In a process of its own: send the names of the tests that fail; of a mutant's, the first ends it."""
    signal.alarm(60 * MINUTES)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.chdir(ROOT)
    sys.path.insert(0, str(SOURCE.parent))
    if mutant is not None:
        sys.meta_path.insert(0, _MutatedImport(mutant))
    failures = _Failures()
    # Without the options of the project, whose type checks take longer than most tests.
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "--import-mode=importlib",
        "-m",
        "not slow and not hard and not device",
    ]
    for selection in tests:
        words = [*options, *(["-x"] if mutant else []), *shlex.split(selection)]
        code = pytest.ExitCode(pytest.main(words, plugins=[failures]))
        if code != pytest.ExitCode.OK:
            answers.send(failures.names or [f"{selection}: {code.name}"])
            return
    answers.send([])


class _Failures:
    """A plugin that remembers which tests failed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid)


class _MutatedImport(importlib.abc.MetaPathFinder):
    """Finds one module, the mutated one."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.module = ".".join(["hizumi", *Path(mutant.path).with_suffix("").parts]).removesuffix(".__init__")

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> object:
        if fullname != self.module:
            return None
        return spec_from_loader(fullname, _MutatedLoader(fullname, str(SOURCE / self.mutant.path), self.mutant))


class _MutatedLoader(importlib.machinery.SourceFileLoader):
    """Compiles the mutated text, and never a cached one."""

    def __init__(self, fullname: str, path: str, mutant: Mutant) -> None:
        super().__init__(fullname, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        text = self.mutant.applied_to(Path(self.path).read_text(encoding="utf-8"))
        return self.source_to_code(text.encode(), self.path)


if __name__ == "__main__":
    main()

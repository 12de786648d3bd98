"""Changes one line of the source at a time, in a copy, and runs the tests that ought to notice.

    python -m tools.mutants                 all of tests/mutants/mutants.toml; exit with 1 below the mark
    python -m tools.mutants vae pix2pix     those of files whose paths contain one of these words

What is found goes to benchmarks/results/mutants.json; of a part of them, only to the screen.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[1]
SOURCE, LIST = ROOT / "src" / "hizumi", ROOT / "tests" / "mutants" / "mutants.toml"
RESULTS = ROOT / "benchmarks" / "results" / "mutants.json"
LEAST_KILLED = 0.95
MINUTES = 15  # for the tests of one mutant; those that hang have noticed it
NO_TESTS = 5  # pytest's status where a selection is empty


@dataclass(frozen=True)
class Mutant:
    """A line of a source file, and what it becomes; `harmless` is why no test can notice."""

    path: str
    before: str
    after: str
    tests: tuple[str, ...]
    harmless: str | None = None
    count: int = 1  # of the places where the line stands; all are changed

    def applied_to(self, text: str) -> str:
        """The source with the line changed."""
        found = text.count(self.before)
        if found != self.count:
            raise SystemExit(f"{self.path}: {self.before!r} stands in {found} places, not {self.count}; mend {LIST}")
        return text.replace(self.before, self.after)

    def __str__(self) -> str:
        return f"{self.path}: {self.before}  ->  {self.after}"


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
    killers = _run_all(chosen, arguments.workers)
    killed = sum(killer is not None for killer in killers)
    print(f"{killed} of {len(chosen)} mutants killed ({killed / len(chosen):.1%})")
    if not arguments.words:
        rows = [
            {"path": m.path, "before": m.before, "after": m.after, "killed by": killer}
            for m, killer in zip(chosen, killers, strict=True)
        ]
        summary = {"mutants": len(chosen), "killed": killed, "rows": rows}
        RESULTS.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.exit(killed < LEAST_KILLED * len(chosen))


def _run_all(mutants: Sequence[Mutant], workers: int) -> list[str | None]:
    """The tests that noticed each mutant, None where none did."""
    with tempfile.TemporaryDirectory(prefix="hizumi-mutants-") as folder:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(workers):
            copy = Path(folder) / str(number)
            shutil.copytree(SOURCE, copy / "hizumi", ignore=shutil.ignore_patterns("__pycache__"))
            free.put(copy)

        def killer_of(mutant: Mutant) -> str | None:
            copy = free.get()
            try:
                with _mutated(copy / "hizumi" / mutant.path, mutant):
                    killer = next((tests for tests in mutant.tests if _fails(tests, copy)), None)
            finally:
                free.put(copy)
            print(f"{'SURVIVED' if killer is None else 'killed  '}  {mutant}", flush=True)
            return killer

        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(killer_of, mutants))


@contextmanager
def _mutated(path: Path, mutant: Mutant) -> Iterator[None]:
    text = path.read_text(encoding="utf-8")
    path.write_text(mutant.applied_to(text), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


def _fails(tests: str, source: Path) -> bool:
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *shlex.split(tests)]
    settings = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=60 * MINUTES)
    except subprocess.TimeoutExpired:
        return True
    if done.returncode == NO_TESTS:
        raise SystemExit(f"{tests}: selects no test; mend {LIST}")
    return done.returncode != 0


if __name__ == "__main__":
    main()

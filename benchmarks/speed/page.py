"""docs/speed.md from the results."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.speed.causes import CAUSES
from benchmarks.speed.growth import DRAWING
from benchmarks.speed.measuring import Figure

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "speed"
OF_ARCHIVES = ROOT / "benchmarks" / "results" / "scale"
PAGE = ROOT / "docs" / "speed.md"
INTRODUCTION = """# Speed

<!-- Made by `make bench` from benchmarks/results/speed: measure there, change no number here. -->

How fast hizumi is, against the same algorithm written plainly (fp32, torch's default memory layout, separate passes,
as published code has it) and against what the machine can do.

- Ways to do the same are timed in turn, A B A B, in one process; numbers are ratios of medians of CPU seconds on one
  thread, on a GPU of wall time. Wall time on all threads stands in the JSON beside them.
- **Of the ceiling**: operations a second in matrix products and convolutions, relative to one large convolution in the
  same precision, timed in the same turns.
- **At the ceiling**: what would have been got if all of this arithmetic ran at that rate, and nothing else took time.
"""


def speed_page() -> str:
    """The whole page in Markdown."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    devices = sorted({result["device"] for result in results})
    lines = [INTRODUCTION, *(line for device in devices for line in _section(device, results))]
    lines += _archives()
    if any(result["case"] == "growth" for result in results):
        lines += ["## How time grows", "", f"![Time against images, pixels and size of the code]({DRAWING.name})", ""]
    return "\n".join(lines) + "\n"


def described(figure: Figure) -> str:
    """A figure in one line."""
    asked = f", asked {_asked(figure)}" if figure.reached is not None else ""
    ceiling = f", {figure.of_ceiling:.0%} of the ceiling" if figure.of_ceiling is not None else ""
    return f"{figure.what}: {_number(figure.value)} {figure.unit}{asked}{ceiling}"


def _section(device: str, results: list[dict[str, Any]]) -> Iterator[str]:
    own = [result for result in results if result["device"] == device]
    columns = ("Case", "What", "Asked", "Got", "Of the ceiling", "At the ceiling")
    yield from (f"## {device}", "", _row(columns), _row(["---"] * len(columns)))
    for result in own:
        for figure in (Figure(**entry) for entry in result["figures"]):
            share = figure.of_ceiling
            ceiling = ("", "") if share is None else (f"{share:.0%}", f"{_number(figure.value / share)} {figure.unit}")
            short = " (short)" if figure.reached is False else ""
            got = f"{_number(figure.value)} {figure.unit}{short}"
            yield _row([result["case"], figure.what, _asked(figure), got, *ceiling])
    short = [result["case"] for result in own if any(Figure(**entry).reached is False for entry in result["figures"])]
    if causes := [f"- {case}: {CAUSES[case]}" for case in short if case in CAUSES]:
        yield from ("", "### What is short, and why", "", *causes)
    yield from ("", "### Where time goes", "", "Shares of CPU time by operation.", "")
    for result in own:
        for way, shares in result["profiles"].items():
            yield f"- {way}: " + ", ".join(f"{name} {part:.0%}" for name, part in shares.items())
    versions = sorted({f"hizumi {result['hizumi']}, torch {result['torch']}" for result in own})
    yield from ("", f"Made with {'; '.join(versions)}.", "")


def _archives() -> Iterator[str]:
    """What `python -m benchmarks.scale` found of workers and of memory."""
    workers, memory = (json.loads((OF_ARCHIVES / f"{name}.json").read_text()) for name in ("workers", "memory"))
    fewest, most = (f"{count:,}" for count in sorted(map(int, memory["peak_bytes"])))
    started = max(workers[name]["seconds_to_first_part"] for name in ("one_worker", "two_workers"))
    figures = [
        Figure(f"two workers against one, {workers['images']:,} images", workers["two_by_one"], at_least=1.8),
        Figure("one worker, warm, against hizumi inspect", workers["one_by_inspect"], at_least=0.9),
        Figure("until the first part is there, at most", started, "s"),
        Figure(f"memory for {most} images against {fewest}", memory["many_by_few"], at_most=1.1),
    ]
    yield from (
        "## Beyond one machine",
        "",
        f"Archives scored on Ray, {workers['machine']}, wall time (docs/scale.md).",
        "",
    )
    yield from (_row(("What", "Asked", "Got")), _row(["---"] * 3))
    for figure in figures:
        got = f"{_number(figure.value)} {figure.unit}{' (short)' if figure.reached is False else ''}"
        yield _row([figure.what, _asked(figure), got])
    if not all(figure.reached for figure in figures if figure.reached is not None):
        yield from ("", f"What is short, and why: {CAUSES['archives']}")
    yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _asked(figure: Figure) -> str:
    bounds = [(figure.at_least, "≥"), (figure.at_most, "≤")]
    return " and ".join(f"{sign} {_number(bound)} {figure.unit}" for bound, sign in bounds if bound is not None)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"

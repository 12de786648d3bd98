"""The page on choosing a detector: what the ledger's honest runs suggest, by kind of data and by time."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from hizumi.report import markdown
from hizumi.reproduction.entrants import CHOSEN_ON_TEST
from hizumi.reproduction.ledger import Row, summarise_figure
from hizumi.reproduction.protocols import PROTOCOLS

MOST = 3  # detectors that are named for a time
TIMES: Mapping[str, float] = {"Within a minute": 60.0, "Within ten minutes": 600.0, "Given longer": float("inf")}
"""Seconds of CPU on one core for a fit and for all scores of the test set."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "Parts and surfaces": ("magnetic-tile", "mvtec", "elpv", "deeppcb", "cookies", "battery-weld", "pneumoniamnist"),
    "Small pictures, of which whole kinds are anomalous": (
        "mnist-one-class-normal",
        "mnist-one-class-anomalous",
        "fashion-mnist",
        "cifar10-one-class-normal",
        "cifar10-one-class-anomalous",
    ),
    "Rows of numbers": ("kdd99", "arrhythmia"),
    "Film": ("ped2",),
    "Time series": ("nab", "skab", "smap-msl"),
}
INTRODUCTION = f"""# Choosing a detector

<!-- Made by `make docs` from benchmarks/results/ledger: run experiments there, change no number here. -->

Start with `hizumi fit FOLDER` and no `-d`: the standard detector is a reasoned choice for each kind of data. Where you
have defects that are labelled, `hizumi compare` measures several on your own data, which tells more than this page.

What follows are the {MOST} best of those that were run on each public set of data, from the honest runs of the
[ledger](ledger.md): fitted and calibrated on good data alone. In brackets stand AUROC, which is 0.5 for scores that
know nothing (of time series VUS-PR, whose chance the ledger gives), and seconds of CPU on one core for the fit and for
all scores of the test set. Where settings were chosen on the test set, or fewer of a protocol's cases were run than of
other detectors, a row does not count.
"""


class _Candidate(NamedTuple):
    name: str
    rank: float
    seconds: float


def choosing_page(rows: Sequence[Row]) -> str:
    """The whole page in Markdown."""
    sections = [_section(kind, names, rows) for kind, names in KINDS.items()]
    return "\n".join([INTRODUCTION, *sections])


def _section(kind: str, protocols: Sequence[str], rows: Sequence[Row]) -> str:
    lines = []
    for name in protocols:
        own = [row for row in rows if row.request["protocol"] == name and _is_honest(row)]
        cases = max((len(_cases(row)) for row in own), default=0)
        own = [row for row in own if len(_cases(row)) == cases]
        images = fmean(run["training"] for row in own for run in row.runs) if own else None
        found = [_candidate(row) for row in own]
        cells = [_named(found, low, high) for low, high in zip((-1.0, *TIMES.values()), TIMES.values(), strict=False)]
        every = len(PROTOCOLS[name].cases)
        part = f", {cases} of its {every} cases" if 0 < cases < every else ""
        lines.append([f"[{name}](ledger.md#{name}){part}", "-" if images is None else f"{images:,.0f}", *cells])
    return "\n".join([f"## {kind}", "", *markdown.table(("Data", "Good ones to learn from", *TIMES), lines), ""])


def _is_honest(row: Row) -> bool:
    chosen_on_test = (row.request["protocol"], row.request["name"]) in CHOSEN_ON_TEST
    return row.request["mode"] == "honest" and not chosen_on_test


def _cases(row: Row) -> set[str]:
    return {run["case"] for run in row.runs}


def _candidate(row: Row) -> _Candidate:
    summary = summarise_figure(row.runs, PROTOCOLS[row.request["protocol"]].ranking)
    assert summary is not None, "every run has a measure of its ranking"
    budget = ", paper's budget" if row.request["budget"] == "paper" else ""
    return _Candidate(f"{row.request['name']}{budget}", summary.mean, fmean(run["cpu_seconds"] for run in row.runs))


def _named(candidates: Sequence[_Candidate], above: float, at_most: float) -> str:
    """The best of those that take so long and beat all that take less; "-" where there is none."""
    quicker = max((each.rank for each in candidates if each.seconds <= above), default=0.0)
    own = [each for each in candidates if above < each.seconds <= at_most and each.rank > quicker]
    best = sorted(own, key=lambda each: -each.rank)[:MOST]
    return ", ".join(f"{each.name} ({each.rank:.3f}, {each.seconds:.0f} s)" for each in best) or "-"

"""The ledger page: results beside published numbers, and the differences between them."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from hizumi.errors import UsageError
from hizumi.report import markdown
from hizumi.reproduction.entrants import CHOSEN_ON_TEST, departure_of, differences_today
from hizumi.reproduction.ledger import Row, Run, summarise_figure
from hizumi.reproduction.protocol import FALSE_ALARM_RATE, Protocol
from hizumi.reproduction.protocols import PROTOCOLS
from hizumi.reproduction.published_numbers import ELSEWHERE, NOT_COMPARABLE, PUBLISHED, Published, published_for
from hizumi.words import counted

FALSE_ALARMS = "realised_false_alarm_rate"
COLUMNS = (
    "Detector",
    "Honest",
    "Paper's protocol",
    "Published",
    "False alarms",
    "Cases x seeds",
    "CPU s to fit",
    "ms an item",
    "Memory, MiB",
    "Differences",
)
MOST_CHANGES = 6  # named one by one
_REQUESTED = f"{FALSE_ALARM_RATE:.0%}"
INTRODUCTION = f"""# Ledger

<!-- Made by `make ledger` from benchmarks/results/ledger: run experiments there, change no number here. -->

What detectors reach on published protocols, beside what was published. Every number comes from
`hizumi reproduce PROTOCOL --data FOLDER`, which writes its runs to `benchmarks/results/ledger`.

- **Honest**: fitted and calibrated on normal data alone, measured at the end of training, on items of which no copy
  was trained on. Where Differences says that settings were chosen on test figures, they were not honestly chosen, and
  the figure is optimistic by what that choice gained.
- **Paper's protocol**: what the authors did. What it knows of the test set is named under each table.
- Numbers are means over cases, such as the class that is normal, of means over seeds, ± the standard deviation between
  the seeds of a case. Where there is one case and three seeds or more, their median stands in square brackets. Rows
  of fewer cases stand below the others of their table.
- **False alarms**: share of normal test items above the threshold that held-out normal items set for {_REQUESTED}.
- **CPU s to fit**, **ms an item**: processor time of a run's fit, and of scoring an image, a row or a step of a series,
  summed over threads. A run on time series fits each series twice.
- **Memory**: the most that the process held in a run, its data and the libraries of some 300 MiB included. Rows whose
  runs are all of before these three were measured have none.
- **Differences**: obtained minus published, in the paper's protocol where that was run; then what of the paper's
  settings was changed, with the paper's own in round brackets.
- Published numbers say how they are known: from the paper, from the authors' code, from others' work (third party), or
  recalled and unchecked (memory).
"""


def ledger_page(rows: Sequence[Row]) -> str:
    """The whole page in Markdown."""
    sections = [
        _section(protocol, [row for row in rows if row.request["protocol"] == protocol.name])
        for protocol in PROTOCOLS.values()
    ]
    return "\n".join([INTRODUCTION, *sections, _elsewhere(), _machines(rows)])


def table_rows(protocol: Protocol, rows: Sequence[Row]) -> list[list[str]]:
    """One line for each detector and budget: those of the most cases first, and of these the best honest result."""
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        if row.runs:
            lines.setdefault((row.request["name"], row.request["budget"]), {})[row.request["mode"]] = row
    ordered = sorted(lines.values(), key=lambda modes: _place(protocol, modes))
    return [_line(protocol, modes) for modes in ordered]


def _section(protocol: Protocol, rows: Sequence[Row]) -> str:
    lines = [f"## {protocol.name}", "", protocol.about, "", f"Figures: {', '.join(protocol.figures.values())}.", ""]
    table = table_rows(protocol, rows)
    lines += markdown.table(COLUMNS, table) if table else ["No run yet."]
    leaks = {row.request["name"]: row.request["leaks"] for row in rows if row.request["leaks"]}
    if leaks:
        lines += ["", "What the paper's protocol knows of the test set:", ""]
        lines += [f"- {name}: {'; '.join(known)}" for name, known in sorted(leaks.items())]
    if notes := _notes(rows):
        lines += ["", "Notes of the runs:", "", *notes]
    if len(protocol.cases) > 1 and table:
        lines += ["", f"{protocol.figures[protocol.figure]} of each case, honest, and published in brackets:", ""]
        lines += _by_case(protocol, rows)
    others = [entry for entry in PUBLISHED if entry.protocol == protocol.name]
    if others:
        lines += ["", "Published:", "", *(_published_line(entry) for entry in others)]
    apart = [entry for entry in NOT_COMPARABLE if protocol.name in entry.protocols]
    if apart:
        lines += ["", "Published, and not comparable with the figures above:", ""]
        lines += [
            f"- {each.system}: {each.numbers}, {each.source} [{each.trust}]; not comparable: {each.why}"
            for each in apart
        ]
    return "\n".join([*lines, ""])


def _line(protocol: Protocol, modes: Mapping[str, Row]) -> list[str]:
    any_row = next(iter(modes.values()))
    request, published = any_row.request, published_for(protocol.name, any_row.request["name"])
    honest, paper = modes.get("honest"), modes.get("paper")
    false_alarms = summarise_figure(honest.runs, FALSE_ALARMS) if honest else None
    return [
        f"{request['name']}, {request['budget']} budget",
        _figures(protocol, honest),
        _figures(protocol, paper),
        "-" if published is None else f"{_number(published.value, published.deviation)} ({published.trust})",
        "-" if false_alarms is None else f"{false_alarms.mean:.1%}",
        ", ".join(_runs(row) for _, row in sorted(modes.items())),
        *_costs((honest or any_row).runs),
        _differences(protocol, modes, published),
    ]


def _costs(runs: Sequence[Run]) -> list[str]:
    """Seconds of a fit, milliseconds an item and mebibytes, of the runs in which they were measured."""
    known = [run for run in runs if "scored" in run]
    if not known:
        return ["-"] * 3
    fit, memory = (fmean(run[key] for run in known) for key in ("fit_cpu_seconds", "peak_memory_mib"))
    an_item = 1000 * sum(run["score_cpu_seconds"] for run in known) / sum(run["scored"] for run in known)
    return [
        f"{fit:.0f}" if fit >= 10 else f"{fit:.1f}",
        f"{an_item:.2g}" if an_item < 10 else f"{an_item:.0f}",
        f"{memory:,.0f}",
    ]


def _figures(protocol: Protocol, row: Row | None) -> str:
    """Every figure of the protocol: "0.853 ± 0.004 [0.852], pixel AUROC 0.803"."""
    if row is None:
        return "-"
    shown = []
    for figure, heading in protocol.figures.items():
        if summary := summarise_figure(row.runs, figure):
            name = "" if figure == protocol.figure else f"{heading} "
            middle = "" if summary.median is None else f" [{summary.median:.3f}]"
            shown.append(f"{name}{_number(summary.mean, summary.deviation)}{middle}")
    return ", ".join(shown) or "-"


def _differences(protocol: Protocol, modes: Mapping[str, Row], published: Published | None) -> str:
    row = modes.get("paper") or modes["honest"]
    request, parts = row.request, []
    summary = summarise_figure(row.runs, protocol.figure)
    if published is not None and summary is not None and set(summary.by_case) == set(protocol.cases):
        parts.append(f"{summary.mean - published.value:+.3f}")
    elif summary is not None and set(summary.by_case) != set(protocol.cases):
        parts.append(f"{len(summary.by_case)} of {len(protocol.cases)} cases so far")
    parts += _shares_used(row)
    chosen = CHOSEN_ON_TEST.get((protocol.name, request["name"]))
    parts += [] if chosen is None else [chosen]
    departure = departure_of(request["name"], request["budget"])
    parts += [departure] if departure else []
    changes = [f"{name} {_plain(here)} ({_plain(there)})" for name, (here, there) in _changes(protocol, row).items()]
    parts += changes[:MOST_CHANGES]
    if len(changes) > MOST_CHANGES:
        parts.append(counted(len(changes) - MOST_CHANGES, "more setting"))
    if published is not None and published.note:
        parts.append(f"published: {published.note}")
    return "; ".join(parts) or "none known"


def _changes(protocol: Protocol, row: Row) -> Mapping[str, Any]:
    """Settings that are not the paper's as known today; as recorded, where the detector takes other arguments now."""
    request = row.request
    changes: Mapping[str, Any] = request["changes"]
    try:
        return (
            differences_today(request["options"], protocol, request["name"], request["mode"])
            if "options" in request
            else changes
        )
    except UsageError:
        return changes


def _shares_used(row: Row) -> list[str]:
    """Items used where some were left out: "5,000 of 6,131 to train on"."""
    used = []
    for what, key in (("to train on", "training"), ("to test on", "tested")):
        here, there = (fmean(run[name] for run in row.runs) for name in (key, f"{key}_there"))
        if here + fmean(run["calibration"] for run in row.runs) * (key == "training") < there:
            used.append(f"{here:,.0f} of {there:,.0f} {what}")
    return used


def _by_case(protocol: Protocol, rows: Sequence[Row]) -> list[str]:
    titles = [protocol.case_titles.get(case, case) for case in protocol.cases]
    lines = []
    for row in rows:
        summary = summarise_figure(row.runs, protocol.figure)
        if summary is None or row.request["mode"] != "honest":
            continue
        published = published_for(protocol.name, row.request["name"])
        beside = {} if published is None else published.by_case
        cells = [
            "-"
            if case not in summary.by_case
            else f"{summary.by_case[case]:.3f}" + (f" ({beside[case]:.3f})" if case in beside else "")
            for case in protocol.cases
        ]
        lines.append([f"{row.request['name']}, {row.request['budget']}", *cells])
    return markdown.table(("Detector", *titles), lines)


def _notes(rows: Sequence[Row]) -> list[str]:
    """The first note of each row's runs, and the number of others."""
    noted = []
    for row in rows:
        runs = [(run, note) for run in row.runs for note in run["notes"]]
        for run, note in runs[:1]:
            more = f" (and {len(runs) - 1} more)" if len(runs) > 1 else ""
            place = f"{row.request['name']}, {row.request['mode']}, {row.request['budget']}"
            noted.append(f"- {place}, case {run['case']}, seed {run['seed']}: {note}{more}")
    return noted


def _published_line(entry: Published) -> str:
    note = f"; {entry.note}" if entry.note else ""
    return f"- {entry.row}: {_number(entry.value, entry.deviation)}, {entry.source} [{entry.trust}]{note}"


def _elsewhere() -> str:
    rows = [[entry.system, entry.data, entry.figure, entry.numbers, entry.trust] for entry in ELSEWHERE]
    about = "Their data are private or not at hand, or their split is not known."
    table = markdown.table(("System", "Data", "Figure", "Published", "Known from"), rows)
    return "\n".join(["## Published, and not run here", "", about, "", *table, ""])


def _machines(rows: Sequence[Row]) -> str:
    made = {
        f"- hizumi {run['hizumi']}, torch {run['torch']}, {run['processor']}, {run['threads']} thread(s)"
        for row in rows
        for run in row.runs
    }
    return "\n".join(["## Made with", "", *(sorted(made) or ["Nothing yet."]), ""])


def _place(protocol: Protocol, modes: Mapping[str, Row]) -> tuple[int, float]:
    """What lines are ordered by: a mean over fewer cases may be one over easy ones."""
    runs = (modes.get("honest") or modes["paper"]).runs
    summary = summarise_figure(runs, protocol.figure)
    return -len({run["case"] for run in runs}), -summary.mean if summary else 1.0


def _runs(row: Row) -> str:
    """Cases times seeds: "10 x 1", "10 x 1-3" where some have more seeds than others."""
    cases = [run["case"] for run in row.runs]
    counts = sorted(cases.count(case) for case in set(cases))
    seeds = str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]}-{counts[-1]}"
    return f"{row.request['mode']} {len(counts)} x {seeds}"


def _number(value: float, deviation: float | None) -> str:
    return f"{value:.3f}" if deviation is None else f"{value:.3f} ± {deviation:.3f}"


def _plain(value: Any) -> str:
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)

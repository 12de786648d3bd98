"""An audit report of a shift or a lot: one HTML file for the screen, for paper and for the archive."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Unpack

import jinja2

from hizumi.station.audit_sample import EVENT
from hizumi.station.evidence import RECALIBRATED, UNDONE
from hizumi.station.log import Filter, Log
from hizumi.station.log.records import now
from hizumi.station.shift import LISTED, Rate, Shift, Tally
from hizumi.storage.files import printable, write_atomically

SPACE = "\u202f"
CHANGES = (RECALIBRATED, UNDONE, EVENT)
CHART_WIDTH, CHART_HEIGHT = 960, 150


@dataclass(frozen=True)
class Bar:
    """A bar of the chart, in its units, with top and height of each part; `label` is its time, "" for most."""

    left: float
    width: float
    good: tuple[float, float]
    anomalous: tuple[float, float]
    unjudged: tuple[float, float]
    label: str
    words: str


def write_audit_report(
    log: Log, path: Path, *, title: str = "Audit report", zone: tzinfo | None = None, **filters: Unpack[Filter]
) -> Path:
    """Write the report into a file; raises SaveError where that cannot be written."""
    write_atomically(path, audit_report(log, title=title, zone=zone, **filters).encode())
    return path


def audit_report(
    log: Log, *, title: str = "Audit report", zone: tzinfo | None = None, **filters: Unpack[Filter]
) -> str:
    """The report in HTML, of the inspections that the filters choose: a time is a shift, a part or a text a lot.

    Times are shown in `zone`, None: that of this computer. Everything that people or files name is escaped.
    """
    shift = Shift.of(log, filters)

    def shown(moment: datetime) -> str:
        return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader("hizumi.station"), jinja2.PackageLoader("hizumi.report")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {"rate": _rate, "interval": _interval, "number": _number, "time": shown}
    step, bars = _chart(shift, zone)
    return environment.get_template("audit.html.jinja").render(
        title=title,
        subtitle="; ".join(_scope(filters, zone)),
        version=importlib.metadata.version("hizumi"),
        written=now().astimezone(zone).strftime("%Y-%m-%d %H:%M %Z"),
        shift=shift,
        headline=_headline(shift),
        bundles=_bundles(shift),
        bars=bars,
        step=f"{step} minutes" if step < 60 else f"{step // 60} hour{'s' if step > 60 else ''}",
        highest=max((tally.total for _, tally in shift.bars()[1]), default=0),
        width=CHART_WIDTH,
        height=CHART_HEIGHT,
        changes=[event for event in shift.events if event.what in CHANGES],
        others=[event for event in shift.events if event.what not in CHANGES],
        listed=LISTED,
    )


def _scope(filters: Mapping[str, Any], zone: tzinfo | None) -> list[str]:
    """What the report is about, in words."""
    times = {name: filters.get(name) for name in ("since", "until")}
    shown = {
        name: moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
        for name, moment in times.items()
        if moment is not None
    }
    words = [f"{'from' if name == 'since' else 'until'} {moment}" for name, moment in shown.items()]
    others = [f"{name} {value}" for name, value in filters.items() if name not in times and value is not None]
    return [*words, *others] or ["everything in the log"]


def _headline(shift: Shift) -> str:
    whole = shift.whole
    if not whole.total:
        return "Nothing was inspected."
    parts = [f"{_count(whole.total, 'picture')} inspected", f"{whole.anomalous:,} flagged as anomalous"]
    if whole.unjudged:
        parts.append(f"{whole.unjudged:,} could not be judged")
    missed = (
        f" Reviewers found {_count(shift.reviewed.missed, 'defect')} that had passed." if shift.reviewed.missed else ""
    )
    return f"{', '.join(parts)}.{missed}"


def _bundles(shift: Shift) -> list[tuple[tuple[str, str], Tally]]:
    """By recipe, the bundle that was used first before the others."""
    found = list(shift.by_bundle.items())
    found.reverse()
    return sorted(found, key=lambda item: item[0][0])


def _chart(shift: Shift, zone: tzinfo | None) -> tuple[int, list[Bar]]:
    step, found = shift.bars()
    highest = max((tally.total for _, tally in found), default=1)
    width = CHART_WIDTH / max(1, len(found))
    bars, labelled = [], max(1, len(found) // 8)
    for number, (moment, tally) in enumerate(found):
        good, anomalous, unjudged = (
            round(CHART_HEIGHT * count / highest, 2) for count in (tally.good, tally.anomalous, tally.unjudged)
        )
        time = moment.astimezone(zone).strftime("%m-%d" if step >= 1440 else "%H:%M")
        bars.append(
            Bar(
                left=round(number * width, 2),
                width=round(width * 0.86, 2),
                good=(CHART_HEIGHT - good, good),
                anomalous=(CHART_HEIGHT - good - anomalous, anomalous),
                unjudged=(CHART_HEIGHT - good - anomalous - unjudged, unjudged),
                label="" if number % labelled else time,
                words=f"{time}: {tally.good} good, {tally.anomalous} anomalous, {tally.unjudged} not judged",
            )
        )
    return step, bars


def _count(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}{SPACE}%"


def _rate(rate: Rate) -> str:
    return _percent(rate.share) if rate.total else "–"


def _interval(rate: Rate) -> str:
    low, high = rate.interval
    return f"{_percent(low)} – {_percent(high)}" if rate.total else "–"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"

"""An audit report of a shift or a lot: one HTML file for the screen, for paper and for the archive."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack

import jinja2

from hizumi.calibration import Statement
from hizumi.station.audit_sample import EVENT
from hizumi.station.evidence import RECALIBRATED, UNDONE
from hizumi.station.languages import Language, Wording
from hizumi.station.log import Alarm, Filter, Log
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
    log: Log,
    path: Path,
    *,
    title: str | None = None,
    zone: tzinfo | None = None,
    language: Language = "en",
    **filters: Unpack[Filter],
) -> Path:
    """Write the report into a file; raises SaveError where that cannot be written."""
    write_atomically(path, audit_report(log, title=title, zone=zone, language=language, **filters).encode())
    return path


def audit_report(
    log: Log,
    *,
    title: str | None = None,
    zone: tzinfo | None = None,
    language: Language = "en",
    **filters: Unpack[Filter],
) -> str:
    """The report in HTML, of the inspections that the filters choose: a time is a shift, a part or a text a lot.

    Times are shown in `zone`, None: that of this computer. Everything that people or files name is escaped.
    """
    shift, wording = Shift.of(log, filters), Wording(language)
    step, steps = shift.bars(zone)
    highest = max((tally.total for _, tally in steps), default=0)
    return (
        _environment(wording, zone)
        .get_template("audit.html.jinja")
        .render(
            language=language,
            title=wording.text("Audit report") if title is None else title,
            subtitle=wording.text("; ").join(_scope(filters, zone, wording)),
            version=importlib.metadata.version("hizumi"),
            written=_shown(now(), zone),
            shift=shift,
            headline=_headline(shift, wording),
            bundles=_bundles(shift),
            bars=_chart(step, steps, highest, zone, wording),
            step=_length(step, wording),
            highest=highest,
            width=CHART_WIDTH,
            height=CHART_HEIGHT,
            changes=[event for event in shift.events if event.what in CHANGES],
            others=[event for event in shift.events if event.what not in CHANGES],
            listed=LISTED,
        )
    )


def _environment(wording: Wording, zone: tzinfo | None) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader("hizumi.station"), jinja2.PackageLoader("hizumi.report")]),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.install_gettext_callables(wording.text, wording.of_count, newstyle=True)  # type: ignore[attr-defined]  # of an extension

    def said(details: Mapping[str, Any]) -> str:
        """Of a change of a threshold; events of earlier versions have English words alone."""
        statements = [Statement(**each) for each in details.get("said", ())]
        return wording.statements(statements) or str(details["words"])

    def alarmed(alarm: Alarm) -> str:
        return wording.alarm({"words": alarm.words, **alarm.details})

    space = "" if wording.language == "ja" else SPACE  # before the sign for percent
    environment.filters |= {"rate": partial(_rate, space=space), "interval": partial(_interval, space=space)}
    environment.filters |= {"number": _number, "time": partial(_shown, zone=zone, until="seconds")}
    environment.filters |= {"said": said, "alarmed": alarmed, "happened": wording.text, "message": wording.message}
    environment.filters |= {"printable": printable}
    return environment


def _length(minutes: int, wording: Wording) -> str:
    count, unit = (minutes, "minute") if minutes < 60 else (minutes // 60, "hour")
    return wording.of_count(f"%(num)s {unit}", f"%(num)s {unit}s", count) % {"num": count}


def _scope(filters: Mapping[str, Any], zone: tzinfo | None, wording: Wording) -> list[str]:
    """What the report is about, in words."""
    times = {name: filters.get(name) for name in ("since", "until")}
    shown = {name: _shown(moment, zone) for name, moment in times.items() if moment is not None}
    words = [
        wording.text("from %(time)s" if name == "since" else "until %(time)s") % {"time": moment}
        for name, moment in shown.items()
    ]
    others = [
        f"{wording.text(name)} {value}" for name, value in filters.items() if name not in times and value is not None
    ]
    return [*words, *others] or [wording.text("everything in the log")]


def _headline(shift: Shift, wording: Wording) -> str:
    whole, missed = shift.whole, shift.reviewed.miss_rate.count
    if not whole.total:
        return wording.text("Nothing was inspected.")

    def counted(one: str, several: str, count: int) -> str:
        return wording.of_count(one, several, count) % {"num": f"{count:,}"}

    parts = [counted("%(num)s picture inspected", "%(num)s pictures inspected", whole.total)]
    parts.append(wording.text("%(num)s flagged as anomalous") % {"num": f"{whole.anomalous:,}"})
    if whole.unjudged:
        parts.append(wording.text("%(num)s could not be judged") % {"num": f"{whole.unjudged:,}"})
    sentences = [wording.text(", ").join(parts) + wording.text(".")]
    if missed:
        found = "Reviewers found %(num)s defect that had passed.", "Reviewers found %(num)s defects that had passed."
        sentences.append(counted(*found, missed))
    return wording.joined(sentences)


def _bundles(shift: Shift) -> list[tuple[tuple[str, str], Tally]]:
    """By recipe, the bundle that was used first before the others."""
    found = list(shift.by_bundle.items())
    found.reverse()
    return sorted(found, key=lambda item: item[0][0])


def _chart(
    step: int, steps: Sequence[tuple[datetime, Tally]], highest: int, zone: tzinfo | None, wording: Wording
) -> list[Bar]:
    width = CHART_WIDTH / max(1, len(steps))
    bars, labelled = [], max(1, len(steps) // 8)
    for number, (moment, tally) in enumerate(steps):
        good, anomalous, unjudged = (
            round(CHART_HEIGHT * count / highest, 2) for count in (tally.good, tally.anomalous, tally.unjudged)
        )
        # Where the clock was changed, a day begins an hour beside midnight: at noon it has its date all the same.
        day, hour = (moment + timedelta(hours=12)).astimezone(zone), moment.astimezone(zone)
        time = f"{day:%m-%d}" if step >= 1440 else f"{hour:%H:%M}"
        bars.append(
            Bar(
                left=round(number * width, 2),
                width=round(width * 0.86, 2),
                good=(CHART_HEIGHT - good, good),
                anomalous=(CHART_HEIGHT - good - anomalous, anomalous),
                unjudged=(CHART_HEIGHT - good - anomalous - unjudged, unjudged),
                label="" if number % labelled else time,
                words=wording.text("%(time)s: %(good)s normal, %(anomalous)s anomalous, %(unjudged)s not judged")
                % {
                    "time": _shown(moment, zone),
                    "good": tally.good,
                    "anomalous": tally.anomalous,
                    "unjudged": tally.unjudged,
                },
            )
        )
    return bars


def _shown(moment: datetime, zone: tzinfo | None, until: Literal["minutes", "seconds"] = "minutes") -> str:
    """With the name of the time, without which an hour that the clock goes through twice would be one."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z" if until == "seconds" else "%Y-%m-%d %H:%M %Z")


def _percent(share: float, space: str) -> str:
    return f"{100 * share:.3g}{space}%"


def _rate(rate: Rate, space: str) -> str:
    return _percent(rate.share, space) if rate.total else "–"


def _interval(rate: Rate, space: str) -> str:
    low, high = rate.interval
    return f"{_percent(low, space)} – {_percent(high, space)}" if rate.total else "–"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"

"""The audit report says what the log holds, counted one by one, and shows hostile names as text."""

import re
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from scipy import stats

from hizumi.station import Entry
from hizumi.station.audit import audit_report, write_audit_report
from hizumi.station.evidence import RECALIBRATED, Consequences, Evidence
from hizumi.station.log import Alarm, AuditEvent, Delivery, Log, Review
from hizumi.station.shift import Rate, Shift
from tests.station.entries import START, entry

HOSTILE = "<script>alert(1)</script>&\"'\x1b[31m"


class Table(HTMLParser):
    """Texts of the cells of each table by the heading before it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: set[str] = set()
        self._heading, self._in_heading, self._cell = "", False, False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("h2", "h3"):
            self._heading, self._in_heading = "", True
        if tag == "tr":
            self.tables.setdefault(self._heading, []).append([])
        if tag in ("td", "th"):
            self.tables[self._heading][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_heading &= tag not in ("h2", "h3")
        self._cell &= tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self._heading += data
        elif self._cell:
            self.tables[self._heading][-1][-1] += data


def filled(log: Log) -> tuple[list[Entry], dict[str, str]]:
    random = np.random.default_rng(5)
    entries = [
        entry(
            number,
            recipe=["bracket", "lid"][number % 2],
            anomalous=[False, False, False, True, None][int(random.integers(5))],
            name=HOSTILE if number == 4 else f"{number}.png",
            reason=HOSTILE,
            sampled=number % 6 == 0,
        )
        for number in range(90)
    ]
    log.add(entries)
    words = {}
    for each in entries[::2]:
        label = ["good", "defect", "unsure"][int(random.integers(3))]
        log.review(Review(each.id, label, HOSTILE, HOSTILE, made_at=each.inspected_at))  # type: ignore[arg-type]
        words[each.id] = label
    return entries, words


def test_the_report_counts_what_the_log_holds(lite: Log, tmp_path: Path) -> None:
    entries, words = filled(lite)
    since, until = START + timedelta(minutes=10), START + timedelta(minutes=80)
    details = {"before": "b" * 64, "after": "c" * 64, "threshold_before": 1.0, "threshold_after": 0.5, "words": "w"}
    lite.note(AuditEvent(HOSTILE, RECALIBRATED, "why not", details, since))
    lite.note(AuditEvent("ann", RECALIBRATED, "too late", details, until))
    lite.alarm(Alarm("bracket", HOSTILE, {}, since))
    lite.alarm(Alarm("another", "moved", {"reminders": 2}, since - timedelta(hours=8), ended_at=until))
    lite.alarm(Alarm("another", "over before", {}, since - timedelta(hours=8), ended_at=since - timedelta(hours=1)))
    lite.send([message := Delivery("hook", {})])
    lite.abandoned(message.id, "gone")
    path = write_audit_report(lite, tmp_path / "r.html", title=HOSTILE, zone=UTC, since=since, until=until)
    page = path.read_text(encoding="utf-8")
    found = Table(page)
    chosen = [each for each in entries if since <= each.inspected_at < until]
    for row in found.tables["Verdicts by recipe and bundle"][1:]:
        own = [each for each in chosen if each.recipe == row[0]]
        good, bad = (sum(each.anomalous is verdict for each in own) for verdict in (False, True))
        assert row[3:6] == [str(len(own)), str(good), str(bad)]
        assert row[8] == str(len(own) - good - bad)
        exact = stats.binomtest(bad, good + bad).proportion_ci(method="exact")
        shown = [float(number) / 100 for number in re.findall(r"[\d.]+", row[7])]
        assert np.allclose(shown, [exact.low, exact.high], rtol=5e-3)
    against = {row[0]: row for row in found.tables["Against the verdicts"][1:]}
    flagged_good = sum(words.get(each.id) == "good" and each.anomalous is True for each in chosen)
    missed = [each for each in chosen if words.get(each.id) == "defect" and each.anomalous is False]
    judged = [each for each in chosen if each.anomalous is not None]
    defects = sum(words.get(each.id) == "defect" for each in judged)
    assert against["Good parts flagged"][1] == f"{flagged_good} of {sum(words.get(e.id) == 'good' for e in judged)}"
    assert any(
        words.get(each.id) == label and each.anomalous is None for each in chosen for label in ("good", "defect")
    )
    assert against["Defects passed"][1] == f"{len(missed)} of {defects}"
    assert against["Defects passed"][3].startswith(f"{sum(each.sampled for each in missed)} of ")
    assert len(found.tables["Defects that had passed"]) == 1 + len(missed) > 1
    assert len(found.tables["Flagged as anomalous"]) == 1 + sum(each.anomalous is True for each in chosen)
    assert len(found.tables["Not judged"]) == 1 + sum(each.anomalous is None for each in chosen) > 1
    (change,) = found.tables["Changes of thresholds, and other events"][1:]
    assert "1 → 0.5" in change[4]
    assert "threshold" in change[4]
    _, own, other = found.tables["Drift alarms"]
    assert own[3:5] == ["–", "no"]
    assert other[2:5] == ["moved", until.strftime("%Y-%m-%d %H:%M:%S UTC"), "notold again 2 times"], "it began before"
    of_recipe = Table(audit_report(lite, zone=UTC, since=since, until=until, recipe="bracket"))
    assert len(of_recipe.tables["Drift alarms"]) == 2
    assert "1 message to hook was given up" in page
    sampled = [each for each in judged if each.sampled]
    sure = sum(words.get(each.id) in ("good", "defect") for each in sampled)
    assert f"{sure} of {len(sampled)}" in page
    assert any(words.get(each.id) == "unsure" for each in sampled)


def test_hostile_names_are_shown_as_text_and_nothing_is_fetched(lite: Log) -> None:
    filled(lite)
    page = audit_report(lite, title=HOSTILE)
    assert "script" not in Table(page).tags
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", page)
    assert "default-src 'none'" in page


def test_an_empty_shift_and_a_lot(lite: Log) -> None:
    assert "Nothing was inspected." in audit_report(lite)
    lite.add([entry(1, part="LOT7-01"), entry(2, part="LOT8-01")])
    page = audit_report(lite, zone=timezone(timedelta(hours=9)), text="LOT7")
    assert "1 picture inspected, 0 flagged" in page
    assert "text LOT7" in page


def test_bars_hold_every_verdict_once_in_few_steps() -> None:
    for minutes in (1, 47, 48, 500, 5000, 100_000):
        shift = Shift()
        moments = [START + timedelta(minutes=int(m)) for m in np.linspace(0, minutes, 97)]
        for moment in moments:
            shift.by_minute.setdefault(moment, type(shift.whole)()).good += 1
        step, bars = shift.bars()
        assert len(bars) <= 49
        assert sum(tally.good for _, tally in bars) == 97
        for begin, tally in bars:
            assert tally.good == sum(begin <= moment < begin + timedelta(minutes=step) for moment in moments)


def test_an_hour_that_the_clock_goes_through_twice_is_two(lite: Log) -> None:
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    lite.add([entry(n, anomalous=True, inspected_at=at) for n, at in enumerate((first, second))])
    page = audit_report(lite, zone=ZoneInfo("Europe/Berlin"), since=first, until=second + timedelta(minutes=1))
    assert [row[0] for row in Table(page).tables["Flagged as anomalous"][1:]] == [
        "2026-10-25 02:30:00 CET",
        "2026-10-25 02:30:00 CEST",
    ]
    assert "from 2026-10-25 02:30 CEST; until 2026-10-25 02:31 CET" in page


def test_days_of_the_chart_are_those_of_the_zone_also_after_the_clock_was_changed(lite: Log) -> None:
    zone = ZoneInfo("America/New_York")  # of which the clock goes back on 1 November
    noons = [datetime(2026, 10, day, 12, tzinfo=zone) for day in range(15, 32)]
    noons += [datetime(2026, 11, day, 12, tzinfo=zone) for day in range(1, 9)]
    moments = [noon + timedelta(hours=hours) for noon in noons for hours in (-8, 0, 8)]
    lite.add([entry(n, anomalous=False, inspected_at=at.astimezone(UTC)) for n, at in enumerate(moments)])
    page = audit_report(lite, zone=zone)
    assert "pictures in each 24 hours, at most 3" in page
    assert len(re.findall(r"<title>[^<]*: 3 normal", page)) == len(noons)
    assert "<title>2026-10-15 00:00 EDT: 3 normal" in page
    labels = re.findall(r"<text[^>]*>([^<]+)</text>", page)
    assert labels == [f"{noon:%m-%d}" for noon in noons[:: len(noons) // 8]]


def test_a_rate_of_nothing_is_unknown() -> None:
    assert (Rate().share, Rate().interval) == (0, (0, 1))


def test_views_of_one_part_that_agree_count_as_one_in_every_interval(lite: Log) -> None:
    views, parts, flagged, missed = ("top", "side", "back"), 40, 12, 2
    entries = []
    for number in range(parts):
        name = f"N{number % 30}"  # codes return on other parts
        common = {"part": name, "anomalous": number < flagged, "sampled": True}
        entries += [entry(3 * number + at, view=view, **common) for at, view in enumerate(views)]
    lite.add(entries)
    for number, each in enumerate(entries):
        is_defect = 6 <= number // 3 < flagged + missed
        lite.review(Review(each.id, "defect" if is_defect else "good", "ann"))
    shift = Shift.of(lite, {})
    sampled = shift.sampled
    for rate, count, total in (
        (shift.whole.flagged, flagged, parts),
        (sampled.false_alarm_rate, 6, parts - 8),
        (sampled.miss_rate, missed, 8),
    ):
        assert (rate.count, rate.total) == (3 * count, 3 * total)
        expected = stats.binomtest(count, total).proportion_ci(0.95, "exact")
        np.testing.assert_allclose(rate.interval, expected)
    evidence = Evidence.gathered(lite, "bracket", "b" * 64)
    after = Consequences.of(-1.0, list(evidence.reviewed))  # flags all
    assert (after.good, after.false_alarms, after.missed) == (3 * 32, 3 * 32, 0)
    np.testing.assert_allclose(after.false_alarm_interval, stats.binomtest(32, 32).proportion_ci(0.95, "exact"))
    np.testing.assert_allclose(after.missed_interval, stats.binomtest(0, 8).proportion_ci(0.95, "exact"))

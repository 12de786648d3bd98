"""The page on choosing a detector, made from rows of the ledger."""

from typing import Any

from hizumi.report.choosing import KINDS, choosing_page
from hizumi.reproduction.ledger import Row
from hizumi.reproduction.protocols import PROTOCOLS


def row(protocol: str, name: str, auroc: float, seconds: float, **changes: Any) -> Row:
    request = {"protocol": protocol, "name": name, "detector": name, "mode": "honest", "budget": "short"}
    cases = changes.pop("cases", PROTOCOLS[protocol].cases)
    runs = [
        {"case": case, "seed": 0, "training": 100, "cpu_seconds": seconds, "figures": {"image_auroc": auroc}}
        for case in cases
    ]
    return Row(request | changes, tuple(runs))


def cells(page: str, protocol: str) -> list[str]:
    (line,) = [line for line in page.splitlines() if line.startswith(f"| [{protocol}]")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_best_of_each_time_that_beat_all_quicker_ones() -> None:
    rows = [
        row("deeppcb", "quick", 0.8, 0.0),
        row("deeppcb", "second", 0.7, 60.0),
        row("deeppcb", "third", 0.6, 59.0),
        row("deeppcb", "fourth", 0.5, 5.0),
        row("deeppcb", "slow", 0.9, 61.0),
        row("deeppcb", "slow and worse", 0.8, 100.0),
        row("deeppcb", "whole", 0.95, 5000.0, budget="paper"),
    ]
    assert cells(choosing_page(rows), "deeppcb")[1:] == [
        "100",
        "quick (0.800, 0 s), second (0.700, 60 s), third (0.600, 59 s)",
        "slow (0.900, 61 s)",
        "whole, paper's budget (0.950, 5000 s)",
    ]


def test_what_was_run_on_fewer_cases_than_others_does_not_count() -> None:
    half = row("elpv", "half", 0.9, 1.0, cases=["mono"])
    assert cells(choosing_page([half]), "elpv") == [
        "[elpv](ledger.md#elpv), 1 of its 2 cases",
        "100",
        "half (0.900, 1 s)",
        "-",
        "-",
    ]
    whole = cells(choosing_page([half, row("elpv", "whole", 0.8, 1.0)]), "elpv")
    assert whole == ["[elpv](ledger.md#elpv)", "100", "whole (0.800, 1 s)", "-", "-"]


def test_what_is_not_honest_does_not_count() -> None:
    rows = [
        row("elpv", "leaking", 0.9, 1.0, mode="paper"),
        row("magnetic-tile", "gaussian_features(flattened)", 0.9, 1.0),
    ]
    page = choosing_page(rows)
    for protocol in ("elpv", "magnetic-tile"):
        assert cells(page, protocol)[1:] == ["-"] * 4


def test_every_protocol_has_its_line() -> None:
    assert sorted(name for names in KINDS.values() for name in names) == sorted(PROTOCOLS)

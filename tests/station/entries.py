"""Inspections out of thin air."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from hizumi.calibration import Box
from hizumi.station import Entry

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def entry(number: int = 0, **known: Any) -> Entry:
    """The inspection of that number, a minute after the one before."""
    values = {
        "recipe": "bracket",
        "name": f"part-{number:04}.png",
        "picture_sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "bundle_sha256": "b" * 64,
        "anomalous": False,
        "score": 0.1,
        "p_value": 0.5,
        "threshold": 1.0,
        "latency_ms": 12.5,
        "inspected_at": START + timedelta(minutes=number),
        "id": f"{number:032x}",
    }
    return Entry(**values | known)


def rich_entry() -> Entry:
    """One whose every field is set, hostile text among them."""
    return entry(
        7,
        name="\udcff <script>\0'\"; DROP TABLE 日本.png",
        anomalous=True,
        score=float("inf"),
        p_value=1 / 3,
        threshold=0.1 + 0.2,
        rule="conformal",
        terms={"residual": 1e-300, "feature": float("inf"), "名": 0.0},
        boxes=(Box(1, 2, 3, 4, 5, 6.5), Box(0, 0, 1, 1, 1, float("inf"))),
        notes=("converted \udc80", "=1+1"),
        reason="",
        station="line 3",
        source="folder",
        part="A-1",
        view="top",
        map_key="c" * 64 + ".png",
        normal_key="d" * 64 + ".png",
        map_peak=2.5,
        sampled=True,
        pruned_at=START,
    )

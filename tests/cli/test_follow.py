"""`inspect --follow`: events of a file that grows, lines that cannot be used, and what does not go with it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hizumi.data.series import growing
from hizumi.errors import DataError

STEPS = 1500


def text_of(values: np.ndarray) -> str:
    return "".join(f"{index},{a:.4f},{b:.4f}\n" for index, (a, b) in enumerate(values))


@pytest.fixture(scope="module")
def pump(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A bundle fitted on a vibration and a pressure, and values that come afterwards."""
    from hizumi import Inspector
    from hizumi.data.series.options import SeriesOptions
    from hizumi.inspection import save

    folder = tmp_path_factory.mktemp("pump")
    values = np.random.default_rng(0).normal(size=(2 * STEPS, 2))
    path = folder / "train.csv"
    path.write_text("step,vibration,pressure\n" + text_of(values[:STEPS]))
    options = SeriesOptions(length=16, overlap=0.5, ignore=("step",))
    save(Inspector("mahalanobis", series=options, false_alarm_rate=0.05).fit(path), folder / "pump.hizumi")
    return folder / "pump.hizumi", values[STEPS:]


def test_events_of_a_growing_file_open_and_close(
    hizumi: Callable[..., Any], pump: tuple[Path, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bundle, values = pump
    values = values[:400].copy()
    values[200:220, 1] += 30
    path = tmp_path / "live.csv"
    path.write_text("step,vibration,pressure\n" + text_of(values[:210]))
    pieces = iter([text_of(values[210:]), "7,oops,1\n", text_of(values[:5]), "8,,1\n", text_of(values[180:])])

    def wait(seconds: float) -> None:
        with path.open("a") as file:
            for piece in pieces:
                file.write(piece)
                return
        raise KeyboardInterrupt

    as_it_is = growing.growing_text

    def growing_text(path: Path) -> Iterator[str]:
        return as_it_is(path, wait=wait)

    monkeypatch.setattr(growing, "growing_text", growing_text)
    outcome = hizumi("inspect", bundle, path, "--follow", "--fail-on-anomaly")
    assert outcome.code == 3, outcome.err
    found = [line for line in outcome.out.splitlines() if line.startswith("anomalous")]
    opened = next(
        line for line in found if line.startswith("anomalous since row") and 180 < int(line.split()[3][:-1]) <= 200
    )
    closed = next(line for line in found[found.index(opened) :] if line.startswith("anomalous in rows"))
    first, last = (int(closed.split()[place].rstrip(":")) for place in (3, 5))
    assert first <= 200
    assert 219 <= last < 240
    assert "line 402, column 'vibration': 'oops' is not a number; a new recording begins" in outcome.out
    assert "the recording has 5 steps, fewer than a window's 16: it cannot be judged" in outcome.out
    again = next(line for line in found if int(line.split()[3].rstrip(":")) > 400)  # rows that cannot be used count too
    assert 400 + 1 + 5 + 1 <= int(again.split()[3].rstrip(":")) <= 400 + 1 + 5 + 1 + 20
    assert "625 rows" in outcome.out
    whole = hizumi("inspect", bundle, path, "--follow", "--json", "-")
    assert whole.code == 2
    assert "leave --json" in whole.err


def test_a_bundle_of_other_data_or_two_files_are_refused(
    hizumi: Callable[..., Any], pump: tuple[Path, np.ndarray], tmp_path: Path
):
    bundle, _ = pump
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("step,vibration\n0,1\n")
    two = hizumi("inspect", bundle, tmp_path / "one.csv", tmp_path / "two.csv", "--follow")
    assert two.code == 2
    assert "--follow reads one file" in two.err
    lacking = hizumi("inspect", bundle, tmp_path / "one.csv", "--follow")
    assert lacking.code == 2
    assert "does not name pressure once" in lacking.err


def test_an_adaptive_threshold_states_its_claim_and_is_for_recordings_that_are_followed(
    hizumi: Callable[..., Any], pump: tuple[Path, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bundle, values = pump
    path = tmp_path / "live.csv"
    values = values[:400].copy()
    values[200:220, 1] += 30
    path.write_text("step,vibration,pressure\n" + text_of(values))
    monkeypatch.setattr(growing, "growing_text", lambda path: iter([path.read_text()]))
    outcome = hizumi("inspect", bundle, path, "--follow", "--adaptive")
    assert outcome.code == 0, outcome.err
    claim, _, found = " ".join(outcome.out.split()).partition("whatever comes")
    assert claim.startswith("The threshold adapts: in the long run ")
    assert "anomalous since row" in found  # few blocks were held out, and yet an alarm is due
    alone = hizumi("inspect", bundle, path, "--adaptive")
    assert alone.code == 2
    assert "--adaptive is for recordings that are followed" in alone.err


def test_what_came_is_judged_before_the_file_fails_and_a_torn_line_never(
    hizumi: Callable[..., Any], pump: tuple[Path, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bundle, values = pump
    path = tmp_path / "live.csv"
    values = values[:60].copy()
    values[50:, 1] += 30
    path.write_text("step,vibration,pressure\n")

    def pieces(path: Path, end: BaseException) -> Iterator[str]:
        yield path.read_text() + text_of(values) + "60,1.2,9"
        raise end

    monkeypatch.setattr(growing, "growing_text", lambda path: pieces(path, DataError("live.csv: has become shorter")))
    failed = hizumi("inspect", bundle, path, "--follow")
    assert failed.code == 2
    assert "anomalous in rows" in failed.out
    monkeypatch.setattr(growing, "growing_text", lambda path: pieces(path, KeyboardInterrupt()))
    assert "in 60 rows" in hizumi("inspect", bundle, path, "--follow").out


def test_nothing_that_came_is_no_good_verdict(
    hizumi: Callable[..., Any], pump: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(growing, "piped_text", lambda descriptor: iter(["step,vibration,pressure\n"]))
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        outcome = hizumi("inspect", pump[0], "-", "--follow", "--fail-on-anomaly")
    assert outcome.code == 2
    assert "standard input: has ended without a row, so that nothing was judged" in outcome.err

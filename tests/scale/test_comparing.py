"""`hizumi compare` goes on where it stopped, and says so where it cannot."""

import json
from pathlib import Path
from typing import Any

import pytest

from hizumi.errors import DivergedError
from hizumi.inspection import Inspector

from .parts import command, write_parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(tmp_path_factory.mktemp("parts") / "parts.npz")


def without_times(folder: Path) -> Any:
    result = json.loads((folder / "result.json").read_text())
    for each in (*result["runs"], *(line for line in result["summary"])):
        each.pop("fit_seconds", None)
        each.pop("options", None)
        each.pop("bundle", None)
    return result


def test_finished_runs_are_taken_over(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare = ["compare", parts, "-d", "pca,mahalanobis", "--cores", 1]
    assert command(*compare, "-o", tmp_path / "straight").code == 0

    fit, fitted = Inspector.fit, []

    def interrupted(self: Inspector, *given: Any, **named: Any) -> Any:
        if len(fitted) == 1:
            raise KeyboardInterrupt
        fitted.append(self.detector)
        return fit(self, *given, **named)

    call = [*compare, "-o", tmp_path / "resumed"]
    monkeypatch.setattr(Inspector, "fit", interrupted)
    outcome = command(*call)
    assert outcome.code == 130
    assert "To take over the runs that have ended, give the same command with --resume." in outcome.err
    monkeypatch.setattr(Inspector, "fit", lambda self, *given, **named: fitted.append(1) or fit(self, *given, **named))
    assert command(*call, "--resume").code == 0
    assert fitted == ["pca", 1]
    assert without_times(tmp_path / "resumed") == without_times(tmp_path / "straight")
    verdicts = [(tmp_path / name / "verdicts.csv").read_bytes() for name in ("straight", "resumed")]
    assert verdicts[0] == verdicts[1]
    assert (tmp_path / "resumed" / "report.html").stat().st_size > 10_000

    changed = command(*call, "--resume", "--false-alarm-rate", 0.1)
    assert changed.code == 2
    assert "pca-0.json was made with another false_alarm_rate; name another --output" in changed.err
    (tmp_path / "resumed" / "bundles" / "pca-0.json").write_text("{")
    damaged = command(*call, "--resume")
    assert damaged.code == 2
    assert "pca-0.json is no run of a comparison" in damaged.err


def test_detectors_by_folds_are_told_apart_by_the_names_they_were_asked_for(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = ["compare", parts, "-d", "pca,mahalanobis", "--rule", "cross-conformal", "--folds", 3, "--cores", 1]
    call = [*compare, "-o", tmp_path / "out", "--false-alarm-rate", 0.1, "--json", "-"]
    first = command(*call)
    assert {line["detector"] for line in first.json["summary"]} == {"pca", "mahalanobis"}
    monkeypatch.setattr(Inspector, "fit", None)  # nothing is left to fit
    resumed = command(*call, "--resume")
    assert resumed.code == 0
    assert resumed.json["runs"] == first.json["runs"]
    assert "pca, mahalanobis" in (tmp_path / "out" / "report.html").read_text()


def test_a_failing_seed_leaves_the_others(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = Inspector.fit

    def diverging(self: Inspector, *given: Any, **named: Any) -> Any:
        if self.training is not None and self.training.seed == 0:
            raise DivergedError("the loss became NaN")
        return fit(self, *given, **named)

    monkeypatch.setattr(Inspector, "fit", diverging)
    outcome = command("compare", parts, "-d", "pca", "--seeds", 2, "-o", tmp_path / "out", "--json", "-")
    assert outcome.code == 1
    assert [run["seed"] for run in outcome.json["runs"]] == [1]
    assert outcome.json["failed"] == {"pca": "the loss became NaN"}
    assert "pca" in (tmp_path / "out" / "report.html").read_text()

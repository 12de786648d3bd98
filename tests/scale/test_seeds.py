"""`hizumi fit --seeds`: bundles beside each other, each as a fit of its own, and how much they differ."""

from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import pytest

from hizumi.errors import DivergedError
from hizumi.inspection import Inspector, load

from .parts import command, write_parts


def write_rows(path: Path, count: int, mean: float = 0) -> None:
    rows = np.random.default_rng(count).normal(mean, 1, (count, 3))
    np.savetxt(path, rows, delimiter=",", header="a,b,c", comments="")


def test_each_seed_is_a_fit_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = write_parts(tmp_path / "parts.npz")
    fit = ["fit", parts, "-d", "pca", "-o", tmp_path / "parts.hizumi"]
    outcome = command(*fit, "--seeds", 3, "--seed", 4, "--json", "-")
    assert outcome.code == 0
    thresholds = [each["threshold"] for each in outcome.json["seeds"]]
    assert [Path(each["bundle"]).name for each in outcome.json["seeds"]] == [f"parts-{n}.hizumi" for n in (4, 5, 6)]
    assert outcome.json["threshold"]["deviation"] == pytest.approx(stdev(thresholds))
    said = " ".join(outcome.err.split())
    assert f"Of the threshold of seed 4: {load(tmp_path / 'parts-4.hizumi').calibration_.threshold.words}" in said
    found = [
        (each["options"]["training"]["seed"], finding) for each in outcome.json["seeds"] for finding in each["findings"]
    ]
    assert {seed for seed, _ in found} == {4, 5, 6}
    for seed, finding in found:
        assert (
            f"{finding['severity'].capitalize()}: seed {seed}: {finding['message']}. Remedy: {finding['remedy']}."
            in said
        )
    assert command(*fit, "--seed", 5).code == 0
    assert load(tmp_path / "parts.hizumi").calibration_.threshold.value == thresholds[1]

    fitted: list[int] = []
    whole = Inspector.fit

    def failing(self: Inspector, *given: Any, **named: Any) -> Any:
        assert self.training is not None
        fitted.append(self.training.seed)
        if self.training.seed == 7:
            raise DivergedError("the loss became NaN")
        return whole(self, *given, **named)

    monkeypatch.setattr(Inspector, "fit", failing)
    again = command(*fit, "--seeds", 5, "--seed", 4, "--resume", "--json", "-")
    assert again.code == 1
    assert fitted == [7, 8]
    assert again.json["failed"] == {"7": "the loss became NaN"}
    assert [each["threshold"] for each in again.json["seeds"]][:3] == thresholds
    other = command(*fit, "--seeds", 2, "--seed", 4, "--resume", "--false-alarm-rate", 0.2)
    assert other.code == 0
    assert fitted[2:] == [4, 5]


@pytest.mark.parametrize("detector", [["-d", "mahalanobis", "--rule", "cross-conformal", "--folds", "3"], []])
def test_what_is_fitted_under_another_name_is_not_fitted_again(
    detector: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fits of folds are one detector of another name, and the standard one is chosen by the data.
    write_rows(tmp_path / "rows.csv", 60)
    write_rows(tmp_path / "defects.csv", 5, mean=9)
    fit = ["fit", tmp_path / "rows.csv", *detector, "-o", tmp_path / "rows.hizumi", "--seeds", 2, "--cores", 1]
    assert command(*fit).code == 0

    fitted: list[object] = []
    whole = Inspector.fit
    monkeypatch.setattr(
        Inspector, "fit", lambda self, *given, **named: fitted.append(self) or whole(self, *given, **named)
    )
    assert command(*fit, "--resume").code == 0
    assert fitted == []
    known = [*fit, "--known-defects", tmp_path / "defects.csv", "--resume"]
    assert command(*known).code == 0
    assert len(fitted) == 2
    assert command(*known).code == 0
    assert len(fitted) == 2
    write_rows(tmp_path / "defects.csv", 6, mean=9)
    assert command(*known).code == 0
    assert len(fitted) == 4
    assert command(*fit, "--resume").code == 0  # now without them
    assert len(fitted) == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "2", "--devices", "2"], "--seeds fits each seed in one process"),
        (["--seeds", "2", "--restart"], "--restart is for one fit"),
        (["--cores", "2"], "--cores is for many fits: give --seeds N"),
        (["--seeds", "2", "--track", "tensorboard:runs"], "--track shows one fit"),
        (["--seeds", "2", "--on", "nowhere"], "no address of a cluster"),
    ],
)
def test_what_several_fits_cannot_be_asked_for(tmp_path: Path, arguments: list[str], said: str) -> None:
    outcome = command("fit", "digits", "-d", "pca", "-o", tmp_path / "parts.hizumi", *arguments)
    assert outcome.code == 2
    assert said in outcome.err

"""The page of a search for settings."""

from pathlib import Path

import pytest

from hizumi.report.study import write_study
from hizumi.runs.study import Study, Trial, tuned_fact

TRIALS = (
    Trial(0, "complete", 0.8, {"model.width": 16, "layout": "flat", "rate": 1e-3}, (0.7, 0.9)),
    Trial(1, "ended early", 0.6, {"model.width": 8, "layout": "spatial", "rate": 1e-2}, (0.6,)),
    Trial(2, "failed", None, {"model.width": 64, "layout": "flat", "rate": 1e-1}, (), "the <loss> became NaN"),
    Trial(3, "complete", 0.9, {"model.width": 32, "layout": "flat", "rate": 1e-3}, (0.9, 0.9)),
    Trial(4, "complete", 0.9, {"model.width": 8, "layout": "flat", "rate": 2e-3}, (0.9, 0.9)),
)


def study(trials: tuple[Trial, ...] = TRIALS, **others: object) -> Study:
    return Study("reconstruction", "parts", "mean AUROC", trials, 2, logarithmic=("rate",), **others)  # type: ignore[arg-type]


def test_the_first_of_the_best_is_the_best_and_what_it_changes_is_said() -> None:
    found = study()
    assert found.best is TRIALS[3]
    assert found.changed == {"model.width": 32}
    assert found.counts() == {"complete": 3, "ended early": 1, "failed": 1}
    assert study(TRIALS[1:3]).best is None


def test_the_page_shows_every_trial(tmp_path: Path) -> None:
    page = write_study(tmp_path / "page.html", study(importances={"model.width": 0.7, "rate": 0.3})).read_text()
    assert page.count("<img") == 3
    assert "0.9000 at best, 0.8000 with the settings at first" in page
    assert "failed: the &lt;loss&gt; became NaN" in page
    assert page.count("<tr>") == 6
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize("trials", [TRIALS[2:3], TRIALS[:1]])
def test_little_is_shown_as_well(trials: tuple[Trial, ...], tmp_path: Path) -> None:
    page = write_study(tmp_path / "page.html", study(trials)).read_text()
    assert page.count("<img") == 2


def test_a_bundle_says_how_its_settings_were_chosen() -> None:
    tuned = {"objective": "mean AUROC", "trials": 5, "value": 0.9, "begun": 0.8, "changed": {"model.width": 32}}
    assert tuned_fact(tuned) == (
        "Settings chosen among 5 trials by the mean AUROC: 0.900, against 0.800 before (model.width=32); being the "
        "best of many, it is too good to be expected again. No trial saw what set the threshold."
    )

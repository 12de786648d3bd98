"""Tuning: what trials see, what they are judged by, and that an interrupted search is as one that was not."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hizumi.data import open_source
from hizumi.errors import DataError, DivergedError, UsageError
from hizumi.inspection import Inspector, held_out, load
from hizumi.inspection.seen import contents
from hizumi.preprocessing.choosing import split_for_fit
from hizumi.scale.jobs import Done, Here, Job, done_with
from hizumi.scale.tuning import TuningData

from .parts import Outcome, command, write_parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(tmp_path_factory.mktemp("parts") / "parts.npz")


def tune(parts: Path, output: Path, *others: object) -> Outcome:
    return command("tune", parts, "-d", "pca", "-o", output, "--cores", 1, "--rounds", 2, "--json", "-", *others)


def tried(outcome: Outcome) -> Any:
    study = outcome.json["study"]
    return study["trials"], study["importances"], study["changed"]


@pytest.fixture
def fitted_on(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """The contents of the records of each fit."""
    seen: list[set[int]] = []
    fit = Inspector.fit

    def noted(self: Inspector, manifest: Any, **named: Any) -> Any:
        seen.append(set(contents(manifest).tolist()))
        return fit(self, manifest, **named)

    monkeypatch.setattr(Inspector, "fit", noted)
    return seen


def test_no_trial_sees_what_calibrates_or_tests(parts: Path, tmp_path: Path, fitted_on: list[set[int]]) -> None:
    outcome = tune(parts, tmp_path / "best.hizumi", "--trials", 3)
    assert outcome.code == 0
    *trials, whole = fitted_on
    split = split_for_fit(open_source(str(parts)), 0.2, 0)
    train, calibration, test = (set(contents(split.select(split=s)).tolist()) for s in ("train", "calibration", "test"))
    assert whole == train | calibration | test
    assert len(trials) >= 4
    assert all(seen == train for seen in trials)

    best = load(tmp_path / "best.hizumi")
    tuned = best.options_["tuned"]
    assert tuned["trials"] == 3
    assert "drawn defects" in tuned["objective"]
    assert tuned["value"] == outcome.json["study"]["trials"][outcome.json["study"]["best"]]["value"]
    assert best.options_["calibration_images"] == len(calibration)
    assert set(contents(held_out(best, open_source(str(parts)))).tolist()) == test
    assert "hold out 99 or more" in outcome.err
    assert "--folds" not in outcome.err  # which the command refuses
    assert f"or, where defects are labelled: hizumi evaluate {tmp_path / 'best.hizumi'} {parts}\n" in outcome.err
    page = (tmp_path / "best.study.html").read_text()
    assert page.count("<img") == 2  # three trials are too few to say what mattered
    assert "No trial saw the images that set the bundle" in page


@pytest.mark.slow
def test_an_interrupted_search_goes_on_to_the_same_end(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = tune(parts, tmp_path / "straight.hizumi", "--trials", 9)
    fit, count = Inspector.fit, [0]

    def interrupted(self: Inspector, *given: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] in (4, 12):
            raise KeyboardInterrupt
        return fit(self, *given, **named)

    monkeypatch.setattr(Inspector, "fit", interrupted)
    call = (parts, tmp_path / "resumed.hizumi", "--trials", 9)
    outcomes = [tune(*call) for _ in range(2)]
    assert [each.code for each in outcomes] == [130, 130]
    assert all("To go on with this study, give the same command again." in each.err for each in outcomes)
    resumed = tune(*call)
    assert tried(resumed) == tried(straight)
    states = [trial["state"] for trial in tried(straight)[0]]
    assert states.count("ended early") >= 1
    assert states[0] == "complete"
    assert sum(tried(straight)[1].values()) == pytest.approx(1)


def test_a_study_is_gone_on_with_as_it_was_begun_alone(parts: Path, tmp_path: Path) -> None:
    call = (parts, tmp_path / "best.hizumi", "--trials", 1)
    assert tune(*call).code == 0
    for arguments, differs in ((["--seed", 1], "seed, training, data"), (["--image-size", 8], "image_size")):
        other = tune(*call, *arguments)
        assert other.code == 2
        assert f"the study 'pca' was begun with another {differs}; give another --study" in other.err


class TwoAtOnce(Here):
    """Two places, of which the one that has begun last is done first, as on a cluster."""

    def do(self, jobs: Iterable[Job | None]) -> Iterator[Done]:
        coming, out, is_more = iter(jobs), list[Job](), True
        while is_more or out:
            while is_more and len(out) < 2:
                job = next(coming, out)
                if isinstance(job, list):
                    is_more = False
                elif job is None:
                    break
                else:
                    out.append(job)
            if out:
                yield done_with(self.threads, out.pop())


def test_trials_that_end_out_of_order(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one = tune(parts, tmp_path / "here.hizumi", "--trials", 1)
    monkeypatch.setattr("hizumi.scale.jobs.Here", TwoAtOnce)
    outcome = tune(parts, tmp_path / "there.hizumi", "--trials", 6)
    assert outcome.code == 0
    trials = tried(outcome)[0]
    assert [trial["number"] for trial in trials] == list(range(6))
    assert {trial["state"] for trial in trials} <= {"complete", "ended early"}
    assert trials[0] == tried(one_by_one)[0][0]


def test_a_failing_trial_is_kept_with_its_reason(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, count = Inspector.fit, [0]

    def diverging(self: Inspector, *given: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == 3:
            raise DivergedError("the loss became NaN")
        return fit(self, *given, **named)

    monkeypatch.setattr(Inspector, "fit", diverging)
    outcome = tune(parts, tmp_path / "best.hizumi", "--trials", 2, "--search", "smoothing")
    failed = tried(outcome)[0][1]
    assert (failed["state"], failed["reason"], failed["value"]) == ("failed", "the loss became NaN", None)
    assert list(failed["settings"]) == ["smoothing"]
    assert outcome.json["study"]["best"] == 0


def test_what_has_chosen_settings_is_no_test_any_more(parts: Path, tmp_path: Path) -> None:
    best = tmp_path / "best.hizumi"
    outcome = tune(parts, best, "--trials", 2, "--objective", "labelled")
    assert outcome.code == 0
    inspector, manifest = load(best), open_source(str(parts))
    left = held_out(inspector, manifest)
    kinds, counts = np.unique([record.kind for record in left.records], return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {"good": 6, "line": 3, "square": 6}
    assert "left out as what the settings were chosen by, in tuning: 15 images" in left.notes[-1]

    evaluated = command("evaluate", best, parts, "-o", tmp_path / "out", "--json", tmp_path / "result.json")
    assert "what the settings were chosen by" in evaluated.out
    assert len(json.loads((tmp_path / "result.json").read_text())["notes"]) >= 1

    split = split_for_fit(manifest, 0.2, 0)
    validation = TuningData.dealt(split, 2, "labelled", 0).validation
    assert validation is not None
    with pytest.raises(DataError, match="holds only what the settings were chosen by, in tuning; give others"):
        held_out(inspector, validation)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-d", "standard"], "the standard detector is chosen by the data"),
        (["-d", "pca", "--rule", "cross-conformal"], "--rule cross-conformal would calibrate on images"),
        (["-d", "pca", "--folds", "3"], "--folds would calibrate on images that trials have seen"),
        (["-d", "pca", "--search", "latent"], "pca has no setting 'latent'"),
        (["-d", "pca", "--storage", "mysql://x"], "--storage is no database"),
        (["-d", "pca", "--rounds", "80"], "different good images train, too few for 80 rounds"),
        (
            ["-d", "pca", "--storage", "sqlite:////nowhere/at/all.db"],
            "--storage: there is no folder /nowhere/at; make it",
        ),
        (["-d", "pca", "--storage", "sqlite:////dev/null"], "the study could not be kept in sqlite"),
    ],
)
def test_wrong_searches_are_refused_in_one_line(parts: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    outcome = command("tune", parts, *arguments, "-o", tmp_path / "best.hizumi", "--trials", 1)
    assert outcome.code in (1, 2)
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


def test_rows_and_series_are_told_what_to_do(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 4))
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b,c,d", comments="")
    outcome = command("tune", tmp_path / "rows.csv", "-d", "pca", "-o", tmp_path / "best.hizumi")
    assert outcome.code == 2
    assert "defects are drawn on single images" in outcome.err
    series = split_for_fit(open_source(str(tmp_path / "rows.csv"), series=True), 0.2, 0)
    with pytest.raises(UsageError, match="holds series"):
        TuningData.dealt(series, 2, "drawn", 0)

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import hizumi.data as hizumi_data
from hizumi.inspection import Inspector, load

from .conftest import save

KEYS = {
    "image_auroc",
    "pixel_auroc",
    "average_precision",
    "threshold",
    "false_alarm_rate",
    "realised_false_alarm_rate",
    "fit_seconds",
    "image_auroc_interval",
    "pixel_auroc_interval",
}


def check_result(result):
    assert result.keys() >= KEYS
    low, high = result["image_auroc_interval"]
    assert 0 <= low <= result["image_auroc"] <= high <= 1
    assert result["image_auroc"] > 0.9


def test_evaluate_writes_the_report(hizumi, bundle, parts):
    outcome = hizumi("evaluate", bundle, parts, "--json", "-")
    assert outcome.code == 0
    check_result(outcome.json)
    assert (outcome.json["normal_count"], outcome.json["anomalous_count"]) == (10, 10)
    folder = bundle.parent / "parts-evaluation"
    assert {path.name for path in folder.iterdir()} == {"report.html", "result.json", "verdicts.csv"}
    assert json.loads((folder / "result.json").read_text())["image_auroc"] == outcome.json["image_auroc"]
    assert len((folder / "verdicts.csv").read_text().splitlines()) == 21
    assert "found" in outcome.err
    assert "report.html" in outcome.err


def test_what_was_fitted_on_is_not_evaluated_on(hizumi, parts, tmp_path):
    folder = tmp_path / "unmarked"
    shutil.copytree(parts / "train" / "good", folder / "normal")
    shutil.copytree(parts / "test" / "hole", folder / "abnormal")
    bundle = tmp_path / "parts.hizumi"
    assert hizumi("fit", folder, "-d", "mahalanobis", "-o", bundle, "--image-size", "8", "--seed", "3").code == 0
    result = hizumi("evaluate", bundle, folder, "--json", "-").json
    assert (result["normal_count"], result["anomalous_count"]) == (8, 10)  # a fifth of 40 was set aside for the test
    (folder / "normal" / "0.png").unlink()
    outcome = hizumi("evaluate", bundle, folder, "--json", "-")  # other data, which hold what it was fitted on
    assert outcome.json["normal_count"] in (7, 8), "all that was set aside, unless one of these is gone"
    assert "left out as images of its fit" in " ".join(outcome.out.split() + outcome.err.split())


def test_data_of_which_nothing_is_marked_anomalous_count_as_good(hizumi, bundle, parts):
    outcome = hizumi("evaluate", bundle, parts / "test" / "hole" / "0.png")
    assert "No image here is marked anomalous, so each counts as good" in outcome.out
    outcome = hizumi("evaluate", bundle, parts / "gone")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


def test_compare_ranks_detectors(hizumi, parts, tmp_path):
    arguments = ["-d", "reconstruction,mahalanobis", "--seeds", "2", "--steps", "3", "--image-size", "16"]
    outcome = hizumi("compare", parts, *arguments, "-o", tmp_path / "out", "--json", "-")
    assert outcome.code == 0
    runs = [(run["detector"], run["seed"]) for run in outcome.json["runs"]]
    assert runs == [("reconstruction", 0), ("reconstruction", 1), ("mahalanobis", 0), ("mahalanobis", 1)]
    written = {"report.html", "result.json", "runs.csv", "verdicts.csv", "bundles"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == written
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Defects found" in page, "beside the area, what is found at the threshold"
    assert all("recall" in line for line in outcome.json["summary"])
    assert "mahalanobis" in outcome.err
    with (tmp_path / "out" / "verdicts.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["detector"], row["seed"]) == ("mahalanobis", "1")]
    again = hizumi("inspect", tmp_path / "out" / "bundles" / "mahalanobis-1.hizumi", parts / "test", "--json", "-").json
    scores = {verdict["name"]: verdict["score"] for verdict in again["verdicts"]}
    assert {row["name"].removeprefix("test/"): float(row["score"]) for row in rows} == scores


def test_one_failure_does_not_lose_the_others(hizumi, parts, tmp_path, monkeypatch):
    from hizumi.errors import DivergedError

    fit = Inspector.fit

    def sometimes(self, *arguments, **named):
        if self.detector == "reconstruction":
            raise DivergedError("the loss became NaN at step 7")
        return fit(self, *arguments, **named)

    monkeypatch.setattr(Inspector, "fit", sometimes)
    arguments = ["-d", "reconstruction,mahalanobis", "--image-size", "8", "-o", tmp_path / "out"]
    outcome = hizumi("compare", parts, *arguments, "--json", "-")
    assert outcome.code == 1
    assert [run["detector"] for run in outcome.json["runs"]] == ["mahalanobis"]
    assert outcome.json["failed"] == {"reconstruction": "the loss became NaN at step 7"}
    assert "step 7" in outcome.err
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "reconstruction failed: the loss became NaN at step 7" in page
    assert "Comparison of 2 detectors on parts" in page


def test_compare_says_what_makes_its_figures_too_good(hizumi, tmp_path):
    generator = np.random.default_rng(0)
    learned, bad = generator.normal(size=(60, 2)), generator.normal(4, 1, (8, 2))
    rows = [(*row, 0, "train") for row in learned] + [(*row, 0, "test") for row in learned[:5]]
    rows += [(*row, 1, "test") for row in bad]
    data = tmp_path / "rows.csv"
    data.write_text("\n".join(["a,b,label,split", *(",".join(map(str, row)) for row in rows)]))
    arguments = ["-d", "mahalanobis,pca", "-o", tmp_path / "out", "--json", tmp_path / "result.json"]
    outcome = hizumi("compare", data, *arguments)
    assert outcome.code == 0
    said = "equal to a row of its fit: 5 rows; where they are the same, and not equal by chance, what is measured is"
    assert outcome.out.count(said) == 1, "once, though each detector was told"
    assert sum(said in note for note in json.loads((tmp_path / "result.json").read_text())["notes"]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-d", "reconstruction,mahalanobiss"], "did you mean mahalanobis?"),
        (["-d", ","], "--detectors is empty"),
        (["--seeds", "0"], "--seeds is '0'; give a whole number of at least 1"),
    ],
)
def test_wrong_comparisons_are_refused_at_once(arguments, said, hizumi, parts):
    outcome = hizumi("compare", parts, *arguments)
    assert outcome.code == 2
    assert said in outcome.err


def test_comparison_needs_anomalies(hizumi, parts):
    outcome = hizumi("compare", parts / "train" / "good", "-d", "mahalanobis")
    assert outcome.code == 2
    assert "nothing in it is labelled anomalous" in outcome.err


def test_demo_writes_where_it_says(hizumi, parts, tmp_path, monkeypatch):
    open_source = hizumi_data.open_source
    # Modules that are imported meanwhile keep it: it opens everything else as ever.
    monkeypatch.setattr(
        hizumi_data,
        "open_source",
        lambda data, **options: open_source(parts) if data == "brick" else open_source(data, **options),
    )
    outcome = hizumi("demo", "-o", tmp_path / "demo", "--steps", "30")
    assert outcome.code == 0
    folder = tmp_path / "demo"
    assert {path.name for path in folder.iterdir()} == {
        "brick.hizumi",
        "overview.png",
        "report.html",
        "result.json",
        "verdicts.csv",
    }
    result = json.loads((folder / "result.json").read_text())
    assert result.keys() >= KEYS
    assert str(folder / "report.html") in outcome.out
    assert hizumi("info", folder / "brick.hizumi").code == 0


def test_the_command_that_fit_proposes_works(hizumi, tmp_path):
    training, test = np.random.default_rng(0).integers(0, 255, (2, 90, 8, 8), dtype=np.uint8)
    data = tmp_path / "classes.npz"
    np.savez(data, x_train=training, y_train=np.full(90, 2), x_test=test, y_test=np.arange(90) % 3)
    bundle = tmp_path / "twos.hizumi"
    outcome = hizumi("fit", data, "-d", "mahalanobis", "--normal-class", 2, "-o", bundle)
    assert outcome.code == 0
    proposed = outcome.out.partition("or, where defects are labelled: hizumi ")[2].split()
    assert hizumi(*proposed, "-o", tmp_path / "report").code == 0
    good = tmp_path / "good.npz"
    np.savez(good, x_train=training)
    outcome = hizumi("fit", good, "-d", "mahalanobis", "-o", bundle)
    assert f"or, where defects are labelled: hizumi evaluate {bundle} LABELLED_IMAGES\n" in outcome.out


def test_it_is_said_of_how_many_defects_pixel_metrics_are(hizumi, bundle, parts, tmp_path):
    for place in sorted(parts.rglob("*.png")):
        (tmp_path / "there").mkdir(exist_ok=True)
        shutil.copy(place, tmp_path / "there" / "-".join(place.relative_to(parts).parts))
    lines = ["mask,label,split,path"]
    lines += [f",good,train,train-good-{number}.png" for number in range(40)]
    lines += [f",good,test,test-good-{number}.png" for number in range(10)]
    lines += [
        f"{f'ground_truth-hole-{number}_mask.png' if number < 7 else ''},hole,test,test-hole-{number}.png"
        for number in range(10)
    ]
    table = tmp_path / "there" / "list.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    said = "Left out of the pixel metrics: 3 anomalous images without a marked defect."
    outcome = hizumi("evaluate", bundle, table, "-o", tmp_path / "evaluated")
    assert said in " ".join(outcome.out.split())
    outcome = hizumi("compare", table, "-d", "pca", "-o", tmp_path / "compared")
    assert said in " ".join(outcome.out.split())
    unmarked = table.with_name("unmarked.csv")
    unmarked.write_text("\n".join(line[line.index(",") :] for line in lines).replace(",label", "mask,label", 1))
    assert "pixel metrics" not in hizumi("evaluate", bundle, unmarked, "-o", tmp_path / "evaluated").out


def test_bad_masks_lose_nothing_but_themselves(hizumi, bundle, parts, tmp_path):
    folder = tmp_path / "some"
    shutil.copytree(parts, folder)
    masks = folder / "ground_truth" / "hole"
    (masks / "0_mask.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("L", (8, 8), 255).save(masks / "1_mask.png")
    outcome = hizumi("evaluate", bundle, folder, "--json", "-")
    assert outcome.code == 0
    assert (outcome.json["anomalous_count"], outcome.json["pixel_auroc"] > 0.8) == (10, True)
    assert "left out of the pixel metrics for their masks: 2 images" in outcome.err
    assert outcome.json["pixel_note"].startswith("Left out of the pixel metrics: 2 anomalous images")
    for mask in masks.iterdir():
        Image.new("L", (8, 8), 255).save(mask)
    outcome = hizumi("evaluate", bundle, folder, "--json", "-")
    assert outcome.json["pixel_auroc"] is None
    assert (
        outcome.json["pixel_note"] == "None of the 10 masks of the test set can be used, so there are no pixel metrics."
    )
    strict = hizumi("evaluate", bundle, folder, "--strict")
    assert (strict.code, "is 8x8 pixels" in strict.err) == (2, True)


@pytest.mark.parametrize(("option", "good", "bad"), [("--good", "serie_A", "riss"), ("--normal-class", "3", "7")])
def test_what_meant_good_at_the_fit_means_it_again(option, good, bad, hizumi, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for folder, kind, count in (
        ("old", good, 20),
        ("old", bad, 4),
        ("new", good, 5),
        ("new", bad, 4),
        ("other", bad, 3),
    ):
        for number in range(count):
            image = generator.normal(100 if kind == good else 200, 10, (16, 16))
            save(tmp_path / folder / kind / f"{number}.png", image)
    listed = [f"new/{kind}/{number}.png,{kind}" for kind in (good, bad) for number in range(4)]
    (tmp_path / "list.csv").write_text("path,label\n" + "\n".join(listed))
    assert hizumi("fit", "old", "-d", "pca", option, good, "-o", "a.hizumi", "--false-alarm-rate", 0.2).code == 0
    for data in ("new", "list.csv"):
        outcome = hizumi("evaluate", "a.hizumi", data, "--json", "-")
        assert f"taken as good, as when it was learned: {good}; say --good" in outcome.err
        assert (outcome.json["anomalous_count"], outcome.json["image_auroc"]) == (4, 1)
    labelled = load("a.hizumi").calibrate(rule="best-f1", labelled="new")
    assert labelled.calibration_.rule == "best-f1"
    assert "its folders" in hizumi("evaluate", "a.hizumi", "other").err  # nothing in it was good before
    said = hizumi("evaluate", "a.hizumi", "new", "--good", bad, "--json", "-")
    assert "as when it was learned" not in said.err
    assert (said.json["anomalous_count"], said.json["image_auroc"]) == (5, 0)

import json

import numpy as np
import pytest
import tifffile

from hizumi.inspection import Inspector, load

FIT = ["--steps", "3", "--batch-size", "8", "--image-size", "16"]


def test_fit_writes_a_bundle_and_says_what_it_promises(hizumi, parts, tmp_path):
    bundle = tmp_path / "new" / "parts.hizumi"
    outcome = hizumi("fit", parts, "-d", "reconstruction", "-o", bundle, *FIT, "--set", "model.width=8", "--json", "-")
    assert outcome.code == 0
    result = outcome.json
    assert result["detector"] == "reconstruction"
    assert (result["training_images"], result["calibration_images"]) == (32, 8)
    assert result["false_alarm_rate"] == 0.01
    assert result["promised_rate"] == pytest.approx(1 / 9)  # the best that eight held-out images support
    assert result["fit_seconds"] > 0
    inspector = load(bundle)
    assert inspector.calibration_.threshold.value == result["threshold"]
    assert inspector.detector_.model.width == 8
    assert "hizumi inspect" in outcome.err
    assert [path.name for path in bundle.parent.iterdir()] == ["parts.hizumi"]  # checkpoints have gone


def test_the_same_fit_gives_the_same_threshold(hizumi, parts, tmp_path):
    thresholds = [
        hizumi("fit", parts, "-d", "reconstruction", "-o", tmp_path / name, *FIT, "--json", "-").json["threshold"]
        for name in ("a.hizumi", "b.hizumi")
    ]
    assert thresholds[0] == thresholds[1]


def test_dry_run_writes_nothing(hizumi, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = hizumi("fit", parts, "-d", "reconstruction", *FIT, "--dry-run", "--json", "plan.json")
    assert outcome.code == 0
    assert "Nothing was written" in outcome.out
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["estimate"]["steps"] == 3
    assert plan["detector"]["name"] == "reconstruction"
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_options_that_train_nothing_are_said_to_have_no_effect(hizumi, parts, tmp_path):
    call = ["--image-size", "16", "--steps", "3", "--patience", "2"]
    said = "Note: without effect: --steps, --patience, since nothing is trained in mahalanobis."
    one = ["fit", parts, "-d", "mahalanobis", *call, "-o", tmp_path / "a.hizumi"]
    several = ["compare", parts, *call, "-o", tmp_path / "out", "-d"]
    seeds = [*one[:-1], tmp_path / "b.hizumi", "--seeds", "2"]
    for command in (one, [*one, "--dry-run"], seeds, [*several, "mahalanobis"]):
        assert said in " ".join(hizumi(*command).out.split())
    assert "without effect" not in hizumi(*one[:2], "-d", "mahalanobis", "--image-size", "16", *one[-2:]).out
    assert "without effect" not in hizumi(*several, "mahalanobis,reconstruction").out, "one of them heeds both"


@pytest.mark.parametrize("command", [["fit"], ["model", "train", "vae", "--preset", "small"]], ids=" ".join)
def test_a_dry_run_says_what_reading_has_shown_and_what_to_give(hizumi, command, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(12):
        tifffile.imwrite(tmp_path / f"{number}.tif", rng.integers(0, 4096, (16, 16)).astype(np.uint16))
    (tmp_path / "notes.txt").write_text("shift 2")
    for number in range(6):  # of which some are held out, and not read
        (tmp_path / f"dead{number}.tif").write_bytes(b"")
    call = [*command, tmp_path, *(["-d", "pca"] if command == ["fit"] else []), "--dry-run", "--image-size", "16"]
    plan = hizumi(*call, "--json", "-").json
    [finding] = plan["findings"]
    assert finding["name"] == "narrow use of the window"
    assert "--window auto" in finding["remedy"]
    assert {each["name"] for each in plan["failures"]} <= {f"dead{number}.tif" for number in range(6)}
    assert [each["name"] for each in plan["unopened"]] == ["notes.txt"]
    said = hizumi(*call, "--window", "auto").out
    assert "narrow use" not in said
    assert "Not read: dead" in said
    assert "Not opened: notes.txt" in said
    for number in range(12):
        image = rng.normal(size=(16, 16)).astype(np.float32)
        image[0] = {0: np.nan, 1: np.nan, 2: np.nan}.get(number % 8, -9999 if number % 2 else 0)
        tifffile.imwrite(tmp_path / f"{number}.tif", image)
    said = hizumi(*call).out
    assert "--nodata=-9999" in said
    assert "--fill-nan" in said


NAMED = ["-d", "reconstruction"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-d", "reconstructon"], "did you mean reconstruction?"),
        ([*NAMED, "--set", "smothing=2"], "reconstruction has no setting 'smothing'"),
        (["--set", "smoothing"], "NAME=VALUE"),
        (
            [*NAMED, "--set", "difference=l3"],
            "reconstruction: difference is 'l3'; it must be 'contrast', 'ssim',",
        ),
        (
            [*NAMED, "--set", "model=vae", "--set", "model.bound=elbow"],
            "reconstruction: model.bound is 'elbow'; it must be",
        ),
        (
            [*NAMED, "--set", "model=dcgan"],
            "reconstruction: model is DCGAN; it must be a model that reconstructs",
        ),
        (["-d", "ganomaly", "--set", "adversarial=bec"], "ganomaly: adversarial is 'bec'; it must be"),
        (["-d", "skip_ganomaly", "--set", "difference=l3"], "skip_ganomaly: difference is 'l3'; it must be"),
        (["-d", "f_anogan", "--set", "loss=izif"], "f_anogan: loss is 'izif'; it must be"),
        (["-d", "egbad", "--set", "discrimination=sigmoit"], "egbad: discrimination is 'sigmoit'; it must be"),
        (["-d", "alocc", "--set", "judged=refine"], "alocc: judged is 'refine'; it must be"),
        (["--set", "blur=2"], "--set blur is for a detector that is named: give -d NAME with it"),
        ([*NAMED, "--set", "blur=1", "--set", "blur=2"], "--set blur was given several times, of which only the last"),
        (["--image-size", "large"], "--image-size large is no size"),
        (["--steps", "0"], "--steps is '0'; give a whole number of at least 1"),
        (["--patience", "3"], "needs steps, epochs or minutes"),
        (["--window", "wide"], "--window wide is no window"),
        (["--window", "5"], "--window 5 is no window"),
        (["--false-alarm-rate", "2"], "--false-alarm-rate is '2'; give a number from 0 to 1"),
        (["--false-alarm-rate", "1"], "false_alarm_rate must lie between 0 and 1"),
        (["--false-alarm-rate", "0,05"], "--false-alarm-rate is '0,05'; give a number from 0 to 1, such as 0.05"),
        (["--false-alarm-rate", "5%"], "--false-alarm-rate is '5%'; give a number from 0 to 1, such as 0.05"),
        (["--false-alarm-rate", "1,5"], "--false-alarm-rate is '1,5'; give a number from 0 to 1 (see "),
        (["--calibration-share", "abc"], "--calibration-share is 'abc'; give a number (see "),
        (["--max-time", "inf"], "--max-time (`max_minutes`) is inf; it must be a number above 0"),
        (["--epochs", "1e2"], "--epochs is '1e2'; give a whole number of at least 1, such as 100"),
        (["--batch-size", "1.000"], "--batch-size is '1.000'; give a whole number of at least 1, such as 1000 (see "),
        (["--steps", "12,500"], "--steps is '12,500'; give a whole number of at least 1, such as 12500 (see "),
        (["--epochs", "20.0"], "--epochs is '20.0'; give a whole number of at least 1, such as 20 (see "),
        (["--folds", "ten"], "--folds is 'ten'; give a whole number of at least 2 (see "),
        (["--layout", "flatt"], "--layout is 'flatt'; give one of auto, flat, kinds, splits, classes"),
        (["--rule", "conformel"], "did you mean 'conformal'?"),
        (["--precision", "16"], "--precision is '16'; give one of "),
        (["--accelerator", "quantum"], "--accelerator is 'quantum'; give one of "),
        (["--output", "."], "is no name for a detector"),
        (["--resume"], "holds no run to resume"),
    ],
)
def test_wrong_arguments_are_named_before_the_fit(arguments, said, hizumi, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(Inspector, "fit", lambda *_, **__: pytest.fail("the fit began"))
    monkeypatch.chdir(tmp_path)
    size = [] if "--image-size" in arguments else ["--image-size", "16"]
    outcome = hizumi("fit", parts, *size, *arguments)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("Error: ")
    assert said in outcome.err
    assert not list(tmp_path.glob("*.hizumi"))


def test_window_and_calibration_share_reach_the_fit(hizumi, parts, tmp_path):
    bundle = tmp_path / "parts.hizumi"
    options = ["--window", "10,200", "--calibration-share", "0.5"]
    result = hizumi("fit", parts, "-d", "mahalanobis", "-o", bundle, "--image-size", "16", *options, "--json", "-").json
    assert (result["training_images"], result["calibration_images"]) == (20, 20)
    window = load(bundle).preprocessing_.window
    assert (window.low, window.high) == (10.0, 200.0)


def test_folds_reach_the_fit(hizumi, parts, tmp_path):
    bundle = tmp_path / "parts.hizumi"
    outcome = hizumi("fit", parts, "-d", "mahalanobis", "-o", bundle, "--image-size", "16", "--folds", "4")
    assert "each scored by one of 4 fits" in " ".join(outcome.out.split())
    assert load(bundle).options_["folds"] == 4
    plan = hizumi("fit", parts, "-d", "mahalanobis", "--folds", "4", "--dry-run", "--json", "-").json
    assert plan["calibration_images"] == plan["training_images"] == 40


def test_data_that_do_not_exist(hizumi, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = hizumi("fit", "digts")
    assert outcome.code == 2
    assert "did you mean 'digits'?" in outcome.err


def test_an_unwritable_place_is_found_before_the_fit(hizumi, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(Inspector, "fit", lambda *_, **__: pytest.fail("the fit began"))
    (tmp_path / "file").touch()
    outcome = hizumi("fit", parts, "-o", tmp_path / "file" / "parts.hizumi", *FIT)
    assert outcome.code == 1
    assert "cannot write" in outcome.err


def test_an_interrupted_run_is_resumed_only_by_the_same_command(hizumi, parts, tmp_path, monkeypatch):
    bundle = tmp_path / "parts.hizumi"
    command = ["fit", parts, "-d", "reconstruction", "-o", bundle, *FIT]

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Inspector, "fit", interrupted)
        outcome = hizumi(*command)
    assert outcome.code == 130
    assert "There was no checkpoint yet: to begin anew" in outcome.err
    assert (tmp_path / "parts.run").is_dir()
    assert not bundle.exists()

    outcome = hizumi(*command, "--resume", "--seed", "1")
    assert outcome.code == 2
    assert "begun with another training" in outcome.err

    assert hizumi(*command, "--resume").code == 0
    assert bundle.exists()
    assert not (tmp_path / "parts.run").exists()


def test_a_folder_of_something_else_is_left_alone(hizumi, parts, tmp_path):
    (tmp_path / "parts.run").mkdir()
    (tmp_path / "parts.run" / "diary.txt").touch()
    outcome = hizumi("fit", parts, "-o", tmp_path / "parts.hizumi", *FIT)
    assert outcome.code == 2
    assert "holds other files" in outcome.err
    assert (tmp_path / "parts.run" / "diary.txt").exists()


def test_what_is_declared_of_parts_is_said_and_wrong_angles_are_one_line(hizumi, parts, tmp_path):
    bundle = tmp_path / "turned.hizumi"
    outcome = hizumi("fit", parts, "-d", "pca", "-o", bundle, "--turns", "any", "--brightness", "0.1", "--json", "-")
    assert outcome.code == 0
    assert outcome.json["options"]["variation"] == {"shifts": 0.0, "turns": 180.0, "flips": None, "brightness": 0.1}
    assert any("turned by any angle: one like this will not be found" in note for note in outcome.json["notes"])
    shown = hizumi("info", bundle).out
    assert "variation.turns" in shown
    assert "brighter or darker" in shown
    for wrong in (["--turns", "left"], ["--turns", "200"], ["--shifts", "3"], ["--brightness", "-1"]):
        refused = hizumi("fit", parts, "-d", "pca", "-o", tmp_path / "b.hizumi", *wrong)
        assert refused.code == 2
        assert wrong[0] in refused.err
        assert refused.err.count("\n") == 1


def test_a_region_goes_from_the_options_into_the_bundle_and_wrong_ones_are_refused_in_one_line(hizumi, parts, tmp_path):
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[2:14, 3:13] = 255
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    bundle = tmp_path / "parts.hizumi"
    call = ["fit", parts, "-d", "pca", "--image-size", "16", "-o", bundle]
    outcome = hizumi(*call, "--roi", tmp_path / "mask.tif", "--ignore-region", "0,0,0.5,0.5", "--json", "-")
    assert outcome.code == 0
    assert outcome.json["options"]["region"]["looks_at"].startswith(
        "a mask of 16x16 pixels, without the rectangle 0,0,0.5"
    )
    expected = mask > 0
    expected[:8, :8] = False
    assert (load(bundle).inspect(np.zeros((1, 16, 16, 1), np.uint8))[0].inside == expected).all()
    assert "Looks at" in hizumi("info", bundle).out
    evaluated = hizumi("evaluate", bundle, parts, "-o", tmp_path / "report", "--json", "-").json
    assert "some of those of 10 anomalous images" in evaluated["image_note"]
    assert "border of the region of interest" in (tmp_path / "report" / "report.html").read_text()
    for wrong, reason in (
        (["--roi", "no.png"], "no such file"),
        (["--roi", "1,2,3"], "neither a file nor left,top,width,height"),
        (["--roi", "0,0,1,1"], "leave --roi"),
        (["--ignore-region", "0,0,1,1"], "is empty"),
        (["--roi", "20,0,4,4"], "passes its border"),
    ):
        outcome = hizumi(*call, *wrong)
        assert outcome.code == 2
        assert reason in outcome.err
        assert outcome.err.strip().splitlines()[-1].startswith("Error: ")

import csv
import io
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor

from hizumi.inspection import load
from hizumi.report.panels import BOX_COLOUR
from hizumi.report.picture_paths import picture_path


def test_verdicts_for_programs(hizumi, bundle, parts, tmp_path):
    outcome = hizumi("inspect", bundle, parts / "test" / "hole", "--json", "-", "--csv", tmp_path / "verdicts.csv")
    assert outcome.code == 0
    result = outcome.json
    assert (result["inspected"], result["failures"]) == (10, [])
    assert result["anomalous"] == sum(verdict["anomalous"] for verdict in result["verdicts"]) > 5
    rows = list(csv.DictReader(io.StringIO((tmp_path / "verdicts.csv").read_text())))
    assert [row["name"] for row in rows] == [verdict["name"] for verdict in result["verdicts"]]
    assert [float(row["score"]) for row in rows] == [verdict["score"] for verdict in result["verdicts"]]
    scores = -load(bundle).score_samples(parts / "test" / "hole")
    np.testing.assert_allclose([verdict["score"] for verdict in result["verdicts"]], scores, rtol=1e-6)


def test_verdicts_for_people(hizumi, bundle, parts):
    outcome = hizumi("inspect", bundle, parts / "test" / "hole" / "0.png", parts / "test" / "hole" / "1.png")
    assert outcome.code == 0
    assert "0.png" in outcome.out
    assert "of 2 anomalous" in outcome.out


@pytest.mark.parametrize(("command", "name", "exits"), [("inspect", "0.png", 0), ("evaluate", "unreadable.png", 2)])
def test_what_takes_long_to_import_stays_away_until_the_work_begins(command, name, exits, bundle, parts, tmp_path):
    shutil.copy(parts / "test" / "hole" / "0.png", tmp_path)
    (tmp_path / "unreadable.png").write_text("no image")  # the scoring finds it, when all else has been done
    code = (
        "import atexit, runpy, sys\n"
        "slow = {'torch._dynamo', 'sklearn', 'scipy', 'matplotlib', 'lightning_fabric'}\n"
        "atexit.register(lambda: print(slow & sys.modules.keys(), file=sys.stderr))\n"
        "runpy.run_module('hizumi', run_name='__main__')"
    )
    arguments = [sys.executable, "-c", code, command, str(bundle), str(tmp_path / name)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == exits, done.stderr
    assert done.stderr.splitlines()[-1] == "set()"


def test_exit_code_on_anomaly(hizumi, bundle, parts):
    assert hizumi("inspect", bundle, parts / "test" / "hole", "--fail-on-anomaly").code == 3
    hizumi("calibrate", bundle, "--rule", "k-sigma", "--false-alarm-rate", "1e-12")
    least = min((parts / "train" / "good").iterdir())
    assert hizumi("inspect", bundle, least, "--fail-on-anomaly").code == 0


def test_maps_have_the_size_of_their_images(hizumi, bundle, parts, tmp_path):
    image = tmp_path / "large.png"
    Image.fromarray(np.full((30, 20), 128, dtype=np.uint8)).save(image)
    outcome = hizumi("inspect", bundle, image, parts / "test", "--maps", tmp_path / "maps")
    assert outcome.code == 0
    maps = sorted((tmp_path / "maps").rglob("*-map.png"))
    assert len(maps) == 21
    with Image.open(next(path for path in maps if path.name.startswith("large"))) as drawn:
        assert drawn.size == (20, 30)


def test_a_damaged_image_does_not_stop_the_rest(hizumi, bundle, parts, tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes((parts / "test" / "good" / "0.png").read_bytes()[:60])
    good = parts / "test" / "good" / "1.png"
    outcome = hizumi("inspect", bundle, damaged, good, "--json", "-")
    assert outcome.code == 0
    assert [failure["name"] for failure in outcome.json["failures"]] == [str(damaged)]
    assert outcome.json["inspected"] == 1
    assert "1 could not be read" in outcome.err
    strict = hizumi("inspect", bundle, damaged, good, "--strict")
    assert strict.code == 2
    assert "damaged.png" in strict.err.splitlines()[-1]
    alone = hizumi("inspect", bundle, damaged)
    assert alone.code == 2
    assert "none of 1 inputs could be read" in alone.err


def test_names_of_all_kinds(hizumi, bundle, parts, tmp_path):
    content = (parts / "test" / "good" / "0.png").read_bytes()
    folder = tmp_path / "部品 with spaces"
    folder.mkdir()
    (folder / "[red]傷.png").write_bytes(content)
    (folder / "bad\udcff.png").write_bytes(content)
    outcome = hizumi("inspect", bundle, folder, "--csv", tmp_path / "verdicts.csv", "--maps", tmp_path / "maps")
    assert outcome.code == 0
    assert "[red]傷.png" in outcome.out
    assert len(list((tmp_path / "maps").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json", "-", "--csv", "-"], "cannot both go to standard output"),
        (["--jason", "x"], "No such option"),
    ],
)
def test_wrong_arguments_are_named(arguments, said, hizumi, bundle, parts):
    outcome = hizumi("inspect", bundle, parts / "test" / "good", *arguments)
    assert outcome.code == 2
    assert said in outcome.err


def test_no_maps_from_a_detector_without(hizumi, parts, tmp_path):
    bundle = tmp_path / "vectors.hizumi"
    assert hizumi("fit", parts, "-d", "mahalanobis", "-o", bundle, "--image-size", "8").code == 0
    outcome = hizumi("inspect", bundle, parts / "test", "--maps", tmp_path / "maps")
    assert outcome.code == 2
    assert "gives no maps" in outcome.err


@pytest.mark.parametrize("harm", ["missing", "cut", "changed", "other"])
def test_a_damaged_bundle_is_refused_in_one_line(harm, hizumi, bundle, parts):
    content = bytearray(bundle.read_bytes())
    if harm == "missing":
        bundle.unlink()
    elif harm == "cut":
        bundle.write_bytes(content[:-100])
    elif harm == "changed":
        content[len(content) // 2] ^= 1
        bundle.write_bytes(content)
    else:
        bundle.write_text("not a bundle")
    outcome = hizumi("inspect", bundle, parts / "test")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert str(bundle) in outcome.err


def test_folders_of_any_name_and_depth_are_inspected(hizumi, bundle, parts, tmp_path):
    good, bad = parts / "test" / "good" / "0.png", parts / "test" / "hole" / "0.png"
    for place, source in (("OK/0.png", good), ("0.png", bad), ("shift2/late/1.png", bad), ("deep/mask/0.png", good)):
        (tmp_path / "new" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "new" / place).write_bytes(source.read_bytes())
    outcome = hizumi("inspect", bundle, tmp_path / "new", "--json", "-", "--fail-on-anomaly")
    assert outcome.code == 3
    verdicts = {verdict["name"]: verdict["anomalous"] for verdict in outcome.json["verdicts"]}
    assert verdicts.keys() == {"OK/0.png", "0.png", "shift2/late/1.png"}
    assert verdicts["0.png"] == verdicts["shift2/late/1.png"]
    assert verdicts["0.png"]
    assert outcome.json["unopened"] == [{"name": "deep/mask/0.png", "reason": "is a mask"}]


@pytest.mark.parametrize("obstacle", ["dead.png", "x.heic", "pages.tif", None, "readme.txt"])
def test_what_could_not_be_judged_does_not_pass_the_gate(obstacle, hizumi, bundle, parts, tmp_path):
    hizumi("calibrate", bundle, "--rule", "k-sigma", "--false-alarm-rate", "1e-12")
    folder = tmp_path / "new"
    folder.mkdir()
    content = min((parts / "train" / "good").iterdir()).read_bytes()
    (folder / "a.png").write_bytes(content)
    if obstacle == "pages.tif":
        with Image.open(folder / "a.png") as page:
            page.save(folder / obstacle, save_all=True, append_images=[page])
    elif obstacle is not None:
        (folder / obstacle).touch()
    outcome = hizumi("inspect", bundle, folder, "--fail-on-anomaly", "--csv", tmp_path / "o.csv")
    assert outcome.code == (0 if obstacle in (None, "readme.txt") else 4)
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO((tmp_path / "o.csv").read_text()))}
    if obstacle is not None:
        said = rows[obstacle].get("notes") or rows[obstacle]["reason"]
        assert said
        assert obstacle in outcome.out or said in outcome.out
        assert (rows[obstacle]["anomalous"] == "") == (obstacle != "pages.tif")
    assert hizumi("inspect", bundle, folder).code == 0


def test_no_map_overwrites_another(hizumi, bundle, parts, tmp_path, monkeypatch):
    for place, number in (("work/x/1.png", 0), ("x/1.png", 1), ("work/x/1.PNG", 2)):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes((parts / "test" / "hole" / f"{number}.png").read_bytes())
    monkeypatch.chdir(tmp_path / "work")
    assert hizumi("inspect", bundle, "x/1.png", "../x/1.png", "x/1.PNG", "--maps", "m").code == 0
    names = sorted(path.name.casefold() for path in (tmp_path / "work" / "m" / "x").iterdir())
    assert len(set(names)) == 3


def test_an_inspection_in_python_says_what_has_no_verdict(bundle, parts, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.png").write_bytes((parts / "test" / "good" / "0.png").read_bytes())
    (tmp_path / "new" / "b.raw").touch()
    inspection = load(bundle).inspect(tmp_path / "new")
    assert len(inspection) == 1
    assert [each.name for each in inspection.unopened] == ["b.raw"]
    assert inspection.has_unjudged
    assert not load(bundle).inspect(tmp_path / "new" / "a.png").has_unjudged


def test_maps_of_the_longest_names_are_written_apart(tmp_path):
    drawn = set()
    names = [f"{'歪' * 83}{end}.png" for end in ("a", "b")]  # 254 bytes each
    paths = [picture_path(tmp_path, name, "map", drawn) for name in names]
    assert len({*paths}) == 2
    for path in paths:
        path.write_bytes(b"")
        assert path.name.endswith(".png")


def test_of_series_a_picture_is_drawn_for_each_recording(hizumi, tmp_path):
    turns = np.arange(1200) / 3
    values = np.stack([np.sin(turns), 200 + np.cos(turns)], axis=1)
    values += 0.01 * np.random.default_rng(0).normal(size=values.shape)
    bundle, new = tmp_path / "pump.hizumi", tmp_path / "new"
    new.mkdir()
    for name, stretch in (("a", slice(0, 100)), ("b", slice(300, 340))):
        pd.DataFrame(values[stretch], columns=["bar", "rpm"]).to_csv(new / f"{name}.csv", index=False)
    pd.DataFrame(values, columns=["bar", "rpm"]).to_csv(tmp_path / "train.csv", index=False)
    fit = hizumi("fit", tmp_path / "train.csv", "--series", "--length", 16, "-d", "pca", "-o", bundle)
    assert fit.code == 0
    assert "NEW_RECORDINGS" in fit.out
    assert "windows of 2 channels and 16 steps" in fit.out
    assert "--folds" not in fit.out
    found = hizumi("inspect", bundle, new, "--maps", tmp_path / "maps")
    assert found.code == 0
    assert "Pictures of the recordings" in found.out
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["a.csv-scores.png", "b.csv-scores.png"]


def test_every_alarm_shows_where_in_all_that_is_written(hizumi, bundle, parts, tmp_path):
    limit = load(bundle).calibration_.pixel_threshold
    hizumi("calibrate", bundle, "--threshold", "-1")  # so that all are alarms, of which few maps pass their limit
    result = hizumi("inspect", bundle, parts / "test", "--json", "-", "--maps", tmp_path / "maps").json
    regions = {verdict["name"]: len(verdict["boxes"]) for verdict in result["verdicts"]}
    assert min(regions.values()) >= 1
    assert sum(verdict["boxes"][0]["peak"] <= limit.value for verdict in result["verdicts"]) > 5
    assert hizumi("inspect", bundle, parts / "test", "--csv", tmp_path / "verdicts.csv").code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "verdicts.csv").read_text())))
    assert {row["name"]: int(row["regions"]) for row in rows} == regions
    for path in (tmp_path / "maps").rglob("*-map.png"):
        with Image.open(path) as drawn:
            assert (np.asarray(drawn) == ImageColor.getrgb(BOX_COLOUR)).all(axis=2).any()
    assert hizumi("evaluate", bundle, parts, "-o", tmp_path / "report").code == 0
    cards = (tmp_path / "report" / "report.html").read_text().split('<article class="card">')[1:]
    shown = {card.split('class="name">')[1].split("<")[0]: card.count("<rect ") for card in cards}
    assert shown
    assert shown == {name: regions[name.removeprefix("test/")] for name in shown}

import csv
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from hizumi.inspection import load


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


def test_what_takes_long_to_import_stays_away(bundle, parts):
    code = (
        "import atexit, runpy, sys\n"
        "slow = {'torch._dynamo', 'sklearn', 'scipy', 'matplotlib', 'lightning_fabric'}\n"
        "atexit.register(lambda: print(slow & sys.modules.keys(), file=sys.stderr))\n"
        "runpy.run_module('hizumi', run_name='__main__')"
    )
    command = [sys.executable, "-c", code, "inspect", bundle, parts / "test" / "hole" / "0.png"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
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

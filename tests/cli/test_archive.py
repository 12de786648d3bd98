"""`hizumi inspect --output` and `hizumi merge`: what they say, and their exit codes."""

import csv
import json
import shutil

import numpy as np
import pytest

from hizumi import Inspector, save
from hizumi.scale.parts import path_of


@pytest.fixture
def out(hizumi, bundle, parts, tmp_path):
    folder = tmp_path / "out"
    outcome = hizumi("inspect", bundle, parts / "test", "-o", folder)
    assert outcome.code == 0, outcome.err
    assert "20 images scored into" in outcome.out
    assert "images/s" in outcome.err
    return folder


def test_rows_and_exit_codes_of_merge(hizumi, out, bundle, parts):
    outcome = hizumi("merge", out, "-o", out / "table.csv", "--json", "-", "--fail-on-anomaly")
    assert outcome.code == 3
    assert outcome.json["images"] == 20
    assert "Complete: 20 images, one row each" in outcome.err
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    expected = hizumi("inspect", bundle, parts / "test", "--json", "-").json["verdicts"]
    assert [row["name"] for row in rows] == [verdict["name"] for verdict in expected]
    assert [float(row["score"]) for row in rows] == pytest.approx([verdict["score"] for verdict in expected], rel=1e-5)
    assert {name for name in rows[0] if name.startswith("term_")} == {f"term_{name}" for name in expected[0]["terms"]}
    assert [json.loads(row["boxes"]) for row in rows] == [verdict["boxes"] for verdict in expected]


def test_merge_writes_over_nothing_that_the_archive_is_made_of(hizumi, bundle, parts, tmp_path):
    images, out = tmp_path / "images.csv", tmp_path / "out"
    images.write_text("path\n" + "".join(f"{path}\n" for path in sorted((parts / "test").rglob("*.png"))))
    assert hizumi("inspect", bundle, images, "-o", out).code == 0
    before = {path: path.read_bytes() for path in [images, *out.rglob("*")] if path.is_file()}
    for place in (images, path_of(out, 0), out / "listing" / "00000000.parquet", out / "unopened.csv"):
        outcome = hizumi("merge", out, "-o", place)
        assert outcome.code == 2
        assert "would be lost; name another place" in outcome.err
    assert hizumi("merge", out, "--json", out / "archive.json").code == 2
    assert {path: path.read_bytes() for path in before} == before


def test_maps_lie_outside_of_what_is_listed(hizumi, bundle, parts, tmp_path):
    images = shutil.copytree(parts / "test", tmp_path / "images")
    for place in (images, images / "maps"):
        outcome = hizumi("inspect", bundle, images, "-o", tmp_path / "out", "--maps", place)
        assert outcome.code == 2
        assert "--maps" in outcome.err
    assert not (tmp_path / "out").exists()
    alone = ("inspect", bundle, images, "-o", tmp_path / "out", "--maps", images / "maps", "--no-recursive")
    assert hizumi(*alone).code == hizumi(*alone).code, "folders in it are not read"


def test_what_is_incomplete_exits_with_1(hizumi, out, bundle, parts):
    path_of(out, 0).unlink()
    outcome = hizumi("merge", out, "-o", out / "table.parquet")
    assert outcome.code == 1
    assert f"complete it: hizumi inspect {bundle} {parts / 'test'} -o {out}" in outcome.err
    assert not (out / "table.parquet").exists()


def test_begun_again_nothing_is_done_twice(hizumi, out, bundle, parts):
    outcome = hizumi("inspect", bundle, parts / "test", "-o", out)
    assert "0 images scored" in outcome.out
    assert "all had been done before" in outcome.out
    assert "0 anomalous" not in outcome.out


def test_without_its_copy_of_the_bundle_nothing_is_scored(hizumi, out, bundle, parts):
    (out / "bundle.hizumi").unlink()
    outcome = hizumi("inspect", bundle, parts / "test", "-o", out)
    assert outcome.code == 2
    assert "is not the bundle that this archive was begun with; begin anew" in outcome.err


def test_of_an_empty_folder_nothing_more_is_said(hizumi, bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    outcome = hizumi("inspect", bundle, tmp_path / "empty", "-o", tmp_path / "out")
    assert (outcome.code, outcome.err.strip()) == (2, "Error: there is no image in the data")


def test_maps_lie_in_a_folder_for_each_block(hizumi, bundle, parts, tmp_path):
    outcome = hizumi("inspect", bundle, parts / "test", "-o", tmp_path / "out", "--maps", tmp_path / "maps")
    assert outcome.code == 0
    assert len(list((tmp_path / "maps" / "00000000").rglob("*-map.png"))) == 20


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--shard", "0/2"], "name the folder for it with --output"),
        (["--on", "local"], "name the folder for it with --output"),
        (["-o", "OUT", "--on", "local", "--shard", "0/2"], "leave --shard out"),
        (["-o", "OUT", "--workers", "2"], "name it with --on"),
        (["-o", "OUT", "--shard", "2/2"], "shards of 2 are 0/2 to 1/2"),
        (["-o", "OUT", "--on", "somewhere"], "this is no address of a cluster"),
        (["-o", "OUT", "--json", "-"], "--json does not go with --output"),
        (["-o", "OUT", "--follow"], "--follow does not go with --output"),
        (["-o", "OUT", "--fail-on-anomaly"], "--fail-on-anomaly does not go with --output"),
    ],
)
def test_options_that_do_not_go_together(hizumi, bundle, parts, tmp_path, options, said):
    given = [str(tmp_path / "out") if option == "OUT" else option for option in options]
    outcome = hizumi("inspect", bundle, parts / "test", *given)
    assert outcome.code == 2
    assert said in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_can_score_no_archive_begins_none(hizumi, parts, tmp_path):
    rows = save(Inspector("mahalanobis").fit(np.random.default_rng(0).normal(size=(40, 3))), tmp_path / "rows.hizumi")
    cut = tmp_path / "cut.hizumi"
    cut.write_bytes(rows.read_bytes()[:-100])
    for bundle, said in ((rows, "rows.hizumi judges no images"), (cut, "is not a hizumi bundle, or was cut short")):
        outcome = hizumi("inspect", bundle, parts / "test", "-o", tmp_path / "out")
        assert outcome.code == 2
        assert said in outcome.err
        assert not (tmp_path / "out").exists()


def test_merge_refuses_what_is_no_archive_and_no_table(hizumi, out, tmp_path):
    assert "is no archive" in hizumi("merge", tmp_path).err
    assert "name a .parquet or a .csv" in hizumi("merge", out, "-o", tmp_path / "table.txt").err

"""Tables through the whole line: fitted, saved, loaded, exported; compared with double precision and by hand."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from hizumi import runtime
from hizumi.data import open_source, split
from hizumi.errors import DataError
from hizumi.export import export
from hizumi.inspection import Inspector, load, save
from hizumi.training import Budget, TrainingOptions

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def written(path: Path, heading: str, rows: np.ndarray) -> Path:
    path.write_text("\n".join([heading, *(",".join(f"{value:.17g}" for value in row) for row in rows)]))
    return path


@pytest.mark.parametrize("name", ["mahalanobis", "one_class_svm", "pca", "gaussian_mixture", "dbn_one_class_svm"])
def test_any_change_of_a_constant_is_anomalous(name: str) -> None:
    generator = np.random.default_rng(0)

    def rows(count: int, constant: float) -> np.ndarray:
        return np.c_[generator.normal(size=(count, 3)), np.full(count, constant)]

    good = rows(300, 5.0)
    inspector = Inspector(name, training=TrainingOptions(budget=Budget(steps=50))).fit(good)
    assert (inspector.predict(rows(20, 5.1)) == -1).all()
    assert (inspector.predict(rows(20, 5.0)) == 1).mean() > 0.8
    assert "column 'column 3' never changes" in inspector.notes_[0]


def test_coordinates_of_a_map_keep_their_differences(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)

    def places(count: int) -> np.ndarray:
        return np.array([[1e6, 4.4e6, 0]]) + generator.normal(size=(count, 3)) * [0.01, 0.02, 1]

    good, test, truth = places(400), places(400), np.repeat([0, 1], 200)
    test[200:, 0] += 0.05
    inspector = Inspector("mahalanobis").fit(good)
    assert not inspector.notes_
    saved = save(inspector, tmp_path / "t.hizumi")
    exported = export(inspector, tmp_path / "t.onnx.hizumi", good).path
    mean, deviation = good.mean(0), good.std(0)
    expected = LedoitWolf().fit((good - mean) / deviation).mahalanobis((test - mean) / deviation)
    best = roc_auc_score(truth, expected)
    assert best > 0.99
    for each in (load(saved), runtime.load(exported)):
        scores = np.array([verdict.score for verdict in each.inspect(test)])
        assert roc_auc_score(truth, scores) > best - 0.005
        assert np.corrcoef(scores, expected)[0, 1] > 0.99


def test_names_of_columns_are_kept(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(200, 3)) * [1, 10, 100]
    path = written(tmp_path / "good.csv", "a,b,c", rows)
    inspector = Inspector("mahalanobis").fit(path)
    saved = save(inspector, tmp_path / "t.hizumi")
    exported = export(inspector, tmp_path / "t.onnx.hizumi").path
    turned = written(tmp_path / "turned.csv", "c,extra,b,a", np.c_[rows[:, 2], rows[:, 0], rows[:, 1], rows[:, 0]])
    renamed = written(tmp_path / "renamed.csv", "a,b,speed", rows)
    for each in (inspector, load(saved), runtime.load(exported)):
        expected = [verdict.score for verdict in each.inspect(path)]
        found = each.inspect(turned)
        assert [verdict.score for verdict in found] == expected
        assert "'extra'" in found.notes[0]
        assert "another order" in found.notes[1]
        manifest = each.inspect(open_source(turned))
        assert [verdict.score for verdict in manifest] == expected
        with pytest.raises(DataError, match="has no column 'c', which was learned from; instead there is 'speed'"):
            each.inspect(renamed)


def test_options_of_the_fit_hold_at_inspection(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    lines = [
        f"P{row},{'' if row % 9 == 0 else f'{generator.normal():.4f}'},{'red' if row % 2 else 'blue'},OK"
        for row in range(200)
    ]
    (tmp_path / "good.csv").write_text("\n".join(["part,speed,colour,verdict", *lines]))
    manifest = open_source(
        tmp_path / "good.csv", id_column="part", label_column="verdict", good="OK", one_hot=True, impute=True
    )
    inspector = Inspector("mahalanobis").fit(manifest)
    (tmp_path / "new.csv").write_text("colour,part,speed\nred,N1,0.1\ngreen,N2,0.1\nblue,N3,NA\n")
    saved = save(inspector, tmp_path / "t.hizumi")
    exported = export(inspector, tmp_path / "t.onnx.hizumi").path
    for each in (inspector, load(saved), runtime.load(exported)):
        found = each.inspect(tmp_path / "new.csv")
        assert [(verdict.name, verdict.anomalous) for verdict in found] == [("N1", False), ("N2", True), ("N3", False)]


def test_a_missing_number_is_named_by_its_column(tmp_path: Path) -> None:
    rows = np.random.default_rng(3).normal(size=(100, 2))
    inspector = Inspector("mahalanobis").fit(written(tmp_path / "good.csv", "speed,heat", rows))
    (tmp_path / "new.csv").write_text("speed,heat\n0.1,0.2\n0.3,NA\n0.5,inf\n")
    found = inspector.inspect(tmp_path / "new.csv")
    assert len(found) == 1
    assert [(failure.name, failure.reason.split(";")[0]) for failure in found.failures] == [
        ("line 3", "column 'heat' is NaN (a missing number)"),
        ("line 4", "column 'heat' is infinity"),
    ]


@pytest.mark.parametrize("changed", [0, 1, 3])
def test_a_constant_that_changes_in_held_out_rows_is_a_finding(changed: int) -> None:
    rows = np.c_[np.random.default_rng(0).normal(size=(200, 3)), np.full(200, 5.0)]
    held_out = [index for index, record in enumerate(split(open_source(rows)).records) if record.split == "calibration"]
    rows[held_out[:changed], 3] = 5.1
    marked = split(open_source(np.c_[rows[:, :3], np.full(200, 5.0)])).records
    inspector = Inspector("mahalanobis").fit(replace(open_source(rows), records=marked))
    found = [finding for finding in inspector.findings_ if finding.name == "constants that change"]
    assert len(found) == (changed > 0)
    if not changed:
        return
    assert "column 'column 3' never changes in the rows learned from" in found[0].message
    assert f"in {changed} of {len(held_out)} good rows" in found[0].message
    assert f"such as row {held_out[0]}:" in found[0].message
    assert "--folds" not in found[0].remedy  # as these data mark what is held out
    # With all rows to learn from the column is one like others.
    cured = Inspector("mahalanobis", folds=5).fit(rows)
    assert {finding.name for finding in cured.findings_} <= {"good ones unlike the others"}
    assert (cured.predict(np.c_[rows[:20, :3] + 30, np.full(20, 5.0)]) == -1).all()


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(block, {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["57", "58", "59"]

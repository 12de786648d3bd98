"""The whole line as one estimator."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from hizumi.arguments import is_part
from hizumi.data import deal_folds, open_source
from hizumi.detectors import PCA, Ensemble, Likelihood, Mahalanobis, Reconstruction
from hizumi.errors import DataError, UsageError
from hizumi.generation import Modeller
from hizumi.inspection import Inspector, load, save
from hizumi.models import VAE, Autoencoder
from hizumi.training import Budget, TrainingOptions

SHORT = TrainingOptions(budget=Budget(steps=30), batch_size=8)


def small() -> Reconstruction:
    return Reconstruction(Autoencoder(width=8))


def photographs(count: int, seed: int = 0, size: tuple[int, int] = (32, 32), flawed: bool = False) -> np.ndarray:
    """(n, h, w) uint8: stripes of varying phase; flawed ones have a bright square near the top left corner."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    phase = rng.uniform(0, 6, (count, 1, 1))
    images = 110 + 50 * np.sin((rows + columns) / 3 + phase) + rng.normal(0, 3, (count, *size))
    if flawed:
        images[:, 6:12, 4:10] = 250
    return images.clip(0, 255).astype(np.uint8)


def folder_of(images: np.ndarray, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"part {number:03d}.png")
    return folder


ESTIMATOR_CHECKS = """
    from sklearn.utils.estimator_checks import check_estimator
    from hizumi import Inspector

    # At 1% the sixty held-out rows of these checks' data would flag nobody, and they want to see both answers.
    for check in check_estimator(Inspector("mahalanobis", false_alarm_rate=0.05), on_skip=None, on_fail=None):
        print(check["status"], check["check_name"], check["exception"] or "")
"""


def test_scikit_learn_estimator_checks() -> None:
    # In a process of its own: one of them sets every parameter to -1, which the type checks of these tests refuse.
    command = [sys.executable, "-c", textwrap.dedent(ESTIMATOR_CHECKS)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) > 40
    assert [line for line in lines if not line.startswith(("passed", "skipped"))] == []
    assert sum(line.startswith("skipped") for line in lines) <= 2  # pandas is not installed, SciPy's array API is off


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return Inspector(small(), false_alarm_rate=0.1, training=SHORT).fit(photographs(80))


def test_verdicts_and_signs_agree(inspector: Inspector) -> None:
    mixed = np.concatenate([photographs(20, seed=1), photographs(20, seed=2, flawed=True)])
    inspection = inspector.inspect(mixed)
    scores = np.array([verdict.score for verdict in inspection])
    np.testing.assert_allclose(inspector.score_samples(mixed), -scores)
    np.testing.assert_allclose(inspector.decision_function(mixed), inspector.calibration_.threshold.value - scores)
    assert (inspector.predict(mixed) == np.where([verdict.anomalous for verdict in inspection], -1, 1)).all()
    assert scores[20:].min() > np.median(scores[:20])
    assert sum(verdict.anomalous for verdict in inspection[20:]) >= 18
    for verdict in inspection:
        assert verdict.p_value == pytest.approx(
            (1 + (inspector.calibration_.scores >= verdict.score).sum()) / (len(inspector.calibration_.scores) + 1)
        )
        assert verdict.map is not None
        assert verdict.map.shape == (32, 32)
        assert verdict.picture is not None
        assert verdict.picture.shape == verdict.normal.shape == (32, 32, 3)


def test_box_lies_over_the_flaw(inspector: Inspector) -> None:
    verdict = inspector.inspect(photographs(1, seed=5, flawed=True))[0]
    box = verdict.boxes[0]
    assert box.left < 10 <= box.left + box.width + 2
    assert box.top < 12 <= box.top + box.height + 2
    assert verdict.map.argmax() // 32 in range(3, 15)


def test_a_score_does_not_depend_on_other_images(inspector: Inspector) -> None:
    images = np.concatenate([photographs(70, seed=3), photographs(3, seed=4, flawed=True)])
    together = inspector.score_samples(images)
    alone = np.array([inspector.score_samples(image[None])[0] for image in images[-5:]])
    np.testing.assert_allclose(together[-5:], alone, rtol=1e-6)


def test_rate_changes_without_refitting(inspector: Inspector) -> None:
    other = clone(inspector).fit(photographs(80))
    weights = {key: value.clone() for key, value in other.detector_.state_dict().items()}
    before = other.calibration_.threshold.value
    assert other.calibrate(false_alarm_rate=0.3).calibration_.threshold.value < before
    assert other.calibrate(rule="k-sigma").calibration_.threshold.rule == "k-sigma"
    assert all(torch.equal(value, weights[key]) for key, value in other.detector_.state_dict().items())


def test_best_f1_needs_labels(inspector: Inspector, tmp_path: Path) -> None:
    other = clone(inspector).fit(photographs(80))
    with pytest.raises(UsageError, match="best-f1 rule needs labelled"):
        other.calibrate(rule="best-f1")
    folder_of(photographs(20, seed=1), tmp_path / "normal")
    folder_of(photographs(20, seed=2, flawed=True), tmp_path / "abnormal")
    with pytest.raises(UsageError, match="false_alarm_rate must lie between 0 and 1"):
        other.calibrate(labelled=tmp_path, false_alarm_rate=0)
    other.calibrate(labelled=tmp_path)
    assert (other.predict(photographs(20, seed=2, flawed=True)) == -1).all()


def test_a_rate_after_best_f1_promises_what_the_fit_did(tmp_path: Path) -> None:
    good = np.random.default_rng(0).normal(size=(60, 3))
    np.savetxt(tmp_path / "good.csv", good, delimiter=",", header="a,b,c", comments="")
    lines = [f"{','.join(map(str, row))},good" for row in good[:9]] + ["9,9,9,bad"] * 9
    (tmp_path / "labelled.csv").write_text("\n".join(["a,b,c,label", *lines]))
    crossed = Inspector("mahalanobis", rule="cross-conformal", folds=5, false_alarm_rate=0.1).fit(tmp_path / "good.csv")
    promised = crossed.calibration_.threshold
    assert crossed.calibrate(labelled=tmp_path / "labelled.csv").calibration_.threshold.rule == "best-f1"
    assert crossed.calibrate(false_alarm_rate=0.1).calibration_.threshold == promised


def test_rules_that_cannot_work_are_refused_before_the_training() -> None:
    for rule, said in (
        ("best-f1", "needs labelled data"),
        ("chi-square", "is for mahalanobis"),
        ("sigma", "no threshold rule"),
    ):
        with pytest.raises(UsageError, match=said):
            Inspector(rule=rule).fit(tuple("no data needed"))
    assert (
        Inspector("mahalanobis", rule="chi-square").fit(make_blobs(60, random_state=0)[0]).calibration_.threshold.value
    )


def test_clone_and_parameters() -> None:
    inspector = Inspector("mahalanobis", image_size=64, false_alarm_rate=0.02)
    assert inspector.get_params()["false_alarm_rate"] == 0.02
    assert clone(inspector).get_params() == inspector.get_params()
    assert inspector.set_params(image_size=32).image_size == 32


def test_the_detector_handed_in_stays_unfitted() -> None:
    detector = Mahalanobis()
    inspector = Inspector(detector).fit(make_blobs(60, random_state=0)[0])
    assert detector.shape is None
    assert inspector.detector_ is not detector


def test_use_before_fit() -> None:
    for call in (Inspector().predict, Inspector().inspect, Inspector().score_samples):
        with pytest.raises(NotFittedError):
            call(photographs(2))


def test_fitting_leaves_labelled_anomalies_alone(tmp_path: Path) -> None:
    folder_of(photographs(60), tmp_path / "train" / "good")
    folder_of(photographs(10, seed=1), tmp_path / "test" / "good")
    folder_of(photographs(10, seed=2, flawed=True), tmp_path / "test" / "square")
    with_tests = Inspector(small(), training=SHORT).fit(tmp_path)
    alone = Inspector(small(), training=SHORT).fit(tmp_path / "train" / "good")
    assert with_tests.options_["training_images"] == alone.options_["training_images"] == 48
    np.testing.assert_array_equal(with_tests.calibration_.scores, alone.calibration_.scores)


def test_new_images_of_another_kind_are_named_by_a_saved_bundle_too(tmp_path: Path) -> None:
    inspector = Inspector(small(), training=SHORT).fit(folder_of(photographs(30), tmp_path / "a"))
    like, darker = photographs(8), photographs(8) // 3
    loaded = load(save(inspector, tmp_path / "a.hizumi"))
    for each in (inspector, loaded):
        assert not any("unlike" in note for note in each.inspect(like).notes)
        assert sum("unlike those it learned from: darker" in note for note in each.inspect(darker).notes) == 1


def test_maps_come_back_at_each_images_own_size(tmp_path: Path) -> None:
    folder = folder_of(photographs(30), tmp_path / "a")
    inspector = Inspector(small(), image_size=(24, 40), training=SHORT).fit(folder)
    odd = inspector.inspect(photographs(2, size=(37, 90)))
    assert all(verdict.map.shape == (37, 90) for verdict in odd)
    assert all(verdict.normal.shape == (16, 40, 3) for verdict in odd)  # where it was scored, without its padding
    assert inspector.options_["shape"] == [1, 24, 40]


def test_tiles_see_a_small_flaw_in_a_large_image() -> None:
    large = photographs(30, size=(96, 128))
    inspector = Inspector(
        small(), image_size=32, sizing="tile", false_alarm_rate=0.1,
        training=TrainingOptions(budget=Budget(steps=200), batch_size=16),
    ).fit(large)  # fmt: skip
    good, bad = photographs(8, seed=1, size=(96, 128)), photographs(8, seed=2, size=(96, 128))
    bad[:, 70:76, 90:96] = 255
    verdicts = inspector.inspect(np.concatenate([good, bad]))
    assert all(verdict.map.shape == (96, 128) for verdict in verdicts)
    assert min(v.score for v in verdicts[8:]) > max(v.score for v in verdicts[:8])
    for verdict in verdicts[8:]:
        row, column = np.unravel_index(verdict.map.argmax(), verdict.map.shape)
        assert abs(row - 72.5) < 8
        assert abs(column - 92.5) < 8


def test_sixteen_bit_images_keep_their_depth(tmp_path: Path) -> None:
    # All that matters happens within two grey levels of an 8-bit image.
    rng = np.random.default_rng(0)
    ramp = np.linspace(20000, 20500, 32 * 32).reshape(1, 32, 32)
    images = (ramp + rng.normal(0, 5, (40, 32, 32))).astype(np.uint16)
    (tmp_path / "good").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "good" / f"{number}.png")
    inspector = Inspector("mahalanobis", window=(20000, 20500), false_alarm_rate=0.1).fit(tmp_path / "good")
    assert inspector.preprocessing_.window.dtype == "uint16"
    fresh = (ramp + rng.normal(0, 5, (10, 32, 32))).astype(np.uint16)
    flawed = fresh.copy()
    flawed[:, 10:16, 10:16] += 100
    assert inspector.score_samples(flawed).max() < inspector.score_samples(fresh).min()
    with pytest.raises(DataError, match="uint8"):
        inspector.score_samples(photographs(1))


def test_damaged_files_are_passed_over_and_named(tmp_path: Path, inspector: Inspector) -> None:
    folder = folder_of(photographs(40), tmp_path / "parts")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no picture")
    fitted = Inspector(small(), training=SHORT).fit(folder)
    assert {failure.name for failure in fitted.failures_} <= {"empty.png", "text.png"}
    inspection = inspector.inspect(folder)
    assert len(inspection) == 40
    assert [failure.name for failure in inspection.failures] == ["empty.png", "text.png"]
    with pytest.raises(DataError, match=r"empty\.png"):
        inspector.inspect(folder, strict=True)


def test_identical_images_are_refused(tmp_path: Path) -> None:
    same = np.repeat(photographs(1), 10, axis=0)
    with pytest.raises(DataError):
        Inspector(small(), training=SHORT).fit(folder_of(same, tmp_path / "same"))


def test_patience_takes_its_images_from_the_training_ones() -> None:
    training = TrainingOptions(budget=Budget(epochs=3, patience=2), batch_size=8)
    inspector = Inspector(small(), training=training).fit(photographs(60))
    records = inspector.journal_.records
    assert sum("validation" in record for record in records) == 3
    assert records[0]["losses"].keys() == {"reconstruction"}


def test_plan_estimates_and_fits_nothing() -> None:
    inspector = Inspector(small(), training=SHORT)
    plan = inspector.plan(photographs(50))
    assert plan["training_images"] == 40
    assert plan["phases"] == [
        {"model": "Autoencoder", "budget": plan["phases"][0]["budget"], "batch_size": 8},
    ]
    assert 0 < plan["estimate"]["seconds"] < 60
    assert plan["estimate"]["steps"] == 30
    assert plan["estimate"]["memory_bytes"] > 1e8
    assert not hasattr(inspector, "detector_")


def test_health_check_speaks_up() -> None:
    short = TrainingOptions(budget=Budget(steps=1), batch_size=8)
    flat = Inspector(Reconstruction(Autoencoder(width=8, learning_rate=1e-9)), training=short).fit(photographs(40))
    assert "collapsed reconstructions" in [finding.name for finding in flat.findings_]


def test_tables_with_holes_are_refused() -> None:
    rows = make_blobs(60, random_state=0)[0]
    rows[7, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        Inspector("mahalanobis").fit(rows)
    fitted = Inspector("mahalanobis").fit(make_blobs(60, random_state=0)[0])
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict(rows)


def test_wrong_kinds_of_input_are_refused(inspector: Inspector) -> None:
    with pytest.raises(DataError, match=r"unlike the training data; one image alone is an array \(1, h, w"):
        inspector.inspect(np.zeros((3, 5)), strict=True)
    for rows in ([[1, 2], [3]], np.array([[1, "a"], [2, "b"]], dtype=object)):
        with pytest.raises(DataError, match="the rows are not all of equally many numbers"):
            Inspector("pca").fit(rows)
    with pytest.raises(UsageError, match="did you mean ganomaly"):
        Inspector("gannomaly").fit(photographs(20))
    with pytest.raises(UsageError, match="first value must lie below"):
        Inspector(small(), window=(3, 3)).fit(photographs(20))


def test_folds_score_each_image_by_a_fit_that_has_not_seen_it():
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    inspector = Inspector("mahalanobis", folds=4, false_alarm_rate=0.1).fit(rows)
    assert inspector.options_["training_images"] == inspector.options_["calibration_images"] == 60
    by_hand = []
    for fold in deal_folds(open_source(rows.astype(np.float64)), 4, seed=0):
        others = np.setdiff1d(np.arange(60), fold)
        detector = Mahalanobis().fit(torch.from_numpy(rows[others]))
        by_hand += detector.score(torch.from_numpy(rows[fold])).image.tolist()
    np.testing.assert_allclose(inspector.calibration_.scores, np.sort(by_hand), rtol=1e-5)
    on_all = Mahalanobis().fit(torch.from_numpy(rows)).score(torch.from_numpy(rows)).image.numpy()
    np.testing.assert_allclose(-inspector.score_samples(rows), on_all, rtol=1e-5)


def test_folds_keep_groups_apart_and_promise_nothing(tmp_path: Path):
    parts = np.repeat(photographs(20), 3, axis=0)
    rng = np.random.default_rng(1)
    images = (parts + rng.integers(0, 5, parts.shape)).astype(np.uint8)
    path = tmp_path / "parts.npz"
    np.savez(path, x=images, group=np.repeat(np.arange(20), 3).astype(str))
    inspector = Inspector(small(), folds=5, training=SHORT, false_alarm_rate=0.05).fit(path)
    assert len(inspector.calibration_.scores) == 60
    assert inspector.calibration_.threshold.promised_rate is None
    assert "no rate is promised" in inspector.calibration_.promise()
    assert inspector.calibration_.pixel_maxima is not None
    assert len(inspector.calibration_.pixel_maxima) == 60
    save(inspector, tmp_path / "parts.hizumi")
    loaded = load(tmp_path / "parts.hizumi").calibrate(false_alarm_rate=0.1)
    assert "A false-alarm rate of 10% was asked" in loaded.calibration_.promise()
    assert loaded.calibration_.threshold.promised_rate is None


def test_an_interrupted_fit_in_folds_resumes_to_the_same(tmp_path: Path):
    images = photographs(20)
    straight = Inspector(small(), folds=2, training=SHORT).fit(images, run_folder=tmp_path / "straight")

    def stop(record: Mapping[str, Any]) -> None:
        if record["phase"] == "fold 2 of 2, Autoencoder" and record["step"] == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Inspector(small(), folds=2, training=SHORT).fit(images, run_folder=tmp_path / "stopped", observe=stop)
    resumed = Inspector(small(), folds=2, training=SHORT).fit(images, run_folder=tmp_path / "stopped")
    np.testing.assert_array_equal(straight.calibration_.scores, resumed.calibration_.scores)


def test_folds_where_the_data_mark_their_calibration_images():
    with pytest.raises(UsageError, match="brick: marks its own calibration images; leave --folds"):
        Inspector("mahalanobis", folds=5).fit("brick")


def test_folds_are_checked_before_the_training(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Reconstruction, "fit", lambda *_, **__: pytest.fail("the fit began"))
    with pytest.raises(DataError, match="3 different images or groups cannot make 5 folds"):
        Inspector(folds=5).fit(photographs(3))


@pytest.fixture(scope="module")
def of_rows():
    return Inspector("mahalanobis").fit(np.random.default_rng(0).normal(size=(300, 3)))


def test_a_row_that_cannot_be_judged_is_a_failure_of_its_own_name_and_of_no_other(of_rows):
    rows = np.zeros((70, 3))
    rows[5, 2], rows[68, 0], rows[69, 1] = 1e39, np.nan, 1e38
    seen = of_rows.inspect(rows)
    assert [(failure.index, failure.name) for failure in seen.failures] == [(5, "row 5"), (68, "row 68")]
    assert [failure.reason.split(";")[0] for failure in seen.failures] == [
        "column 2 is 1e+39, too large for float32",
        "column 0 is NaN (a missing number)",
    ]
    by_name = {verdict.name: verdict for verdict in seen}
    assert len(by_name) == 68
    assert by_name.pop("row 69").anomalous
    alone = of_rows.inspect(rows[:1])[0]
    assert {verdict.score for verdict in by_name.values()} == {alone.score}


@pytest.mark.parametrize("value", [1e39, np.nan, -np.inf])
def test_estimator_methods_raise_in_words_where_a_row_cannot_be_judged(of_rows, value):
    for ask in (of_rows.predict, of_rows.decision_function, of_rows.score_samples):
        with pytest.raises(DataError, match="row 1: column 0 is"):
            ask(np.array([[0, 0, 0], [value, 0, 0]]))
    with pytest.raises(DataError, match="row 1: column 0 is"):
        of_rows.calibrate(labelled=np.array([[0, 0, 0], [value, 0, 0]]))


def test_a_score_that_overflows_is_a_failure_of_its_record_alone():
    images = np.random.default_rng(0).random((40, 16, 16), dtype=np.float32)
    inspector = Inspector("pca").fit(images)
    broken = images[:4].copy()
    broken[1, 3, 3], broken[2, 3, 3] = 3e38, 1e38
    seen = inspector.inspect(broken)
    assert [(failure.name, failure.reason.split(",")[0]) for failure in seen.failures] == [
        ("row 1", "has a pixel of 3e+38"),
        ("row 2", "its anomaly map is infinite"),
    ]
    np.testing.assert_allclose(
        [verdict.score for verdict in seen], [v.score for v in inspector.inspect(images[[0, 3]])], rtol=1e-5
    )
    with pytest.raises(DataError, match="row 2: its anomaly map is infinite"):
        inspector.predict(broken[[0, 3, 2]])


def test_a_deep_belief_network_does_not_take_absurd_rows_for_normal_ones():
    rows = np.random.default_rng(0).normal(size=(80, 3))
    inspector = Inspector("dbn_one_class_svm", training=TrainingOptions(budget=Budget(steps=60))).fit(rows)
    assert (inspector.predict([[1e38, 0, 0], [0, -1e38, 0], [0, 0, 1e10], [1e10] * 3]) == -1).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Inspector("pca"),
        lambda: Inspector(Reconstruction(VAE(latent=3)), training=TrainingOptions(seed=4)),
        lambda: Inspector(Ensemble((PCA(), Likelihood(VAE(latent=5)), Mahalanobis()))),
        lambda: Modeller(VAE(latent=3), training=TrainingOptions(seed=4)),
    ],
)
def test_what_scikit_learn_is_told_of_the_parts_it_may_set(make: Callable[[], Any]) -> None:
    inspector = make()
    told, own = inspector.get_params(), inspector.get_params(deep=False)
    assert own.keys() == {name for name in told if "__" not in name}
    for name in told.keys() - own.keys():
        again = make().set_params(**{name: told[name]})
        assert again.get_params().keys() == told.keys()
        assert is_part(told[name]) or repr(again.get_params()[name]) == repr(told[name])
    names = [name for name in told if name.endswith("latent")]
    for name in names:
        assert make().set_params(**{name: 7}).get_params()[name] == 7
    assert len(names) == (0 if inspector.get_params().get("detector") == "pca" else 1)
    assert make()._repr_html_()


def test_scikit_learn_reaches_into_the_parts() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    inspector = Inspector("pca").set_params(training__seed=3, detector__variance_share=0.5, false_alarm_rate=0.1)
    assert (inspector.training.seed, inspector.detector.variance_share, inspector.false_alarm_rate) == (3, 0.5, 0.1)
    again = clone(inspector).set_params(training__batch_size=5)
    assert (again.training.seed, again.training.batch_size, inspector.training.batch_size) == (3, 5, None)
    deep = Inspector("reconstruction").set_params(detector__model__width=8)
    assert deep.detector.model.width == 8
    with pytest.raises(UsageError, match="training__sed: TrainingOptions has no 'sed'; it has budget, batch_size"):
        inspector.set_params(training__sed=3)
    with pytest.raises(UsageError, match="modle__width: Inspector has no part 'modle'; it has training and detector"):
        inspector.set_params(modle__width=3)
    with pytest.raises(UsageError, match="has no setting 'smoothin'; did you mean smoothing"):
        Inspector("pca").set_params(detector__smoothin=2)
    grid = {"training__seed": [1, 2], "false_alarm_rate": [0.3, 0.1]}
    search = GridSearchCV(Inspector("pca"), grid, scoring="accuracy", cv=2).fit(rows, np.ones(60))
    assert search.best_params_["false_alarm_rate"] == 0.1
    assert search.best_estimator_.options_["training"]["seed"] == search.best_params_["training__seed"]


def test_labels_beside_the_data_are_not_passed_over_in_silence() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    said = [Inspector("mahalanobis").fit(rows, y).notes_ for y in (None, np.zeros(60))]
    assert not any("y was given" in note for note in said[0])
    assert "y was given and is not looked at: give the good rows alone, or data that have labels" in said[1]

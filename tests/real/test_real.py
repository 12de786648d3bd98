"""The line on real data: separation, localisation and the false-alarm rate that was asked for."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hizumi.detectors import GaussianFeatures, GaussianMixture, Mahalanobis, OneClassSVM
from hizumi.evaluation import binomial_acceptance, pixel_auroc
from hizumi.inspection import Inspector
from hizumi.training import TrainingOptions

from .conftest import Arrays


@pytest.mark.parametrize(("name", "low"), [pytest.param("thyroid", 0.90, marks=pytest.mark.slow), ("arrhythmia", 0.75)])
def test_tables(real: Arrays, name: str, low: float) -> None:
    arrays = real(name)
    rows, outlier = arrays["X"].astype(np.float64), arrays["y"].ravel() == 1
    normal = np.flatnonzero(~outlier)
    order = np.random.default_rng(0).permutation(normal)
    train, test = order[: len(order) // 2], np.r_[order[len(order) // 2 :], np.flatnonzero(outlier)]
    for detector in (Mahalanobis(), GaussianMixture(max_components=3), OneClassSVM()):
        scores = -Inspector(detector).fit(rows[train]).score_samples(rows[test])
        assert roc_auc_score(outlier[test], scores) > low, type(detector).__name__


def test_false_alarm_rate_on_digits(real: Arrays) -> None:
    arrays = real("mnist")
    ones = arrays["x_train"][arrays["y_train"] == 1][:1500]
    test_ones = arrays["x_test"][arrays["y_test"] == 1]
    others = arrays["x_test"][arrays["y_test"] != 1][:500]
    inspector = Inspector("mahalanobis", false_alarm_rate=0.05, calibration_share=0.4).fit(ones)
    alarms = int((inspector.predict(test_ones) == -1).sum())
    # The test digits are another sample, and 600 calibration digits are one draw of many: both chances together.
    low, high = binomial_acceptance(len(test_ones), 0.03)[0], binomial_acceptance(len(test_ones), 0.08)[1]
    assert low <= alarms <= high
    scores = -inspector.score_samples(np.concatenate([test_ones[:500], others]))
    assert roc_auc_score(np.repeat([0, 1], [500, len(others)]), scores) > 0.97


def test_pretrained_features_find_and_localise_defects_of_tiles(real: Arrays) -> None:
    arrays = real("magnetic_tile_128")
    images, good, test = arrays["x"], arrays["cls"] == "Free", arrays["split"] == "test"
    masks = np.unpackbits(arrays["mask"], axis=-1)[..., :128].astype(bool)
    # A part of each, to be quick; the whole set is measured by `hizumi compare`, see benchmarks.
    train = np.flatnonzero(good & ~test)[::5]
    chosen = np.flatnonzero(test)[::6]
    inspector = Inspector(GaussianFeatures(flips=False), training=TrainingOptions(seed=0)).fit(images[train])
    verdicts = inspector.inspect(images[chosen])
    assert roc_auc_score(~good[chosen], [verdict.score for verdict in verdicts]) > 0.75
    assert pixel_auroc([verdict.map for verdict in verdicts], list(masks[chosen])) > 0.72


@pytest.mark.slow
def test_the_standard_detector_on_the_whole_tile_set(real: Arrays) -> None:
    arrays = real("magnetic_tile_128")
    images, good, test = arrays["x"], arrays["cls"] == "Free", np.flatnonzero(arrays["split"] == "test")
    masks = np.unpackbits(arrays["mask"], axis=-1)[..., :128].astype(bool)
    inspector = Inspector().fit(images[good & (arrays["split"] == "train")])
    verdicts = inspector.inspect(images[test])
    assert roc_auc_score(~good[test], [verdict.score for verdict in verdicts]) >= 0.82
    assert pixel_auroc([verdict.map for verdict in verdicts], list(masks[test])) >= 0.8

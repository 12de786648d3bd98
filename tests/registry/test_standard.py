"""The standard detector: by kind of data, in Python and on the command line, and loud where it is not the whole one."""

import numpy as np
import pytest

from hizumi.detectors import FusedFeatures, Mahalanobis, Reconstruction
from hizumi.errors import UsageError
from hizumi.inspection import Inspector
from hizumi.registry import standard as room
from hizumi.registry.standard import standard


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32), dtype=np.uint8)


def test_each_kind_of_data_has_its_own() -> None:
    assert standard(vectors=False, motion=False) == (FusedFeatures, None)
    assert standard(vectors=True, motion=False) == (Mahalanobis, None)
    assert standard(vectors=False, motion=True) == (Reconstruction, None)


def test_it_is_what_an_inspector_takes_that_is_given_none() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4))
    inspector = Inspector(false_alarm_rate=0.1).fit(rows)
    assert isinstance(inspector.detector_, Mahalanobis)
    assert inspector.detector == "standard"  # as in scikit-learn, a parameter stays as given
    named = Inspector("mahalanobis", false_alarm_rate=0.1).fit(rows)
    np.testing.assert_array_equal(inspector.score_samples(rows), named.score_samples(rows))
    assert isinstance(Inspector(calibration_share=0.2).fit(pictures(20)).detector_, FusedFeatures)


def test_without_the_weights_it_says_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_spec", lambda _: None)
    inspector = Inspector(calibration_share=0.2).fit(pictures(20))
    assert isinstance(inspector.detector_, FusedFeatures)
    assert inspector.detector_.network == "wavelets"
    assert any("weights are not installed" in note for note in inspector.notes_)
    assert not any("weights are not installed" in note for note in Inspector("pca").fit(pictures(20)).notes_)


def test_what_is_not_for_the_chosen_one_is_refused() -> None:
    with pytest.raises(UsageError, match="chi-square rule is for mahalanobis"):
        Inspector(rule="chi-square").fit(pictures(20))
    with pytest.raises(UsageError, match="FusedFeatures has no preset 'slow'"):
        Inspector(preset="slow").fit(pictures(20))

"""Spread apart from item to item and slowly, against one-way analysis of variance and known sources."""

import numpy as np
import pytest
from scipy.stats import f_oneway

from hizumi.calibration.spread import Spread


def test_the_two_parts_make_the_f_ratio_of_analysis_of_variance() -> None:
    generator = np.random.default_rng(0)
    values = (generator.normal(0, 0.7, (12, 1)) + generator.normal(0, 1, (12, 5))).ravel()
    values = values.clip(*np.sort(values)[[1, -2]])
    found = Spread.of(values)
    assert found is not None
    expected = f_oneway(*values.reshape(12, 5)).statistic
    assert (found.within**2 + 5 * found.slow**2) / found.within**2 == pytest.approx(expected, rel=1e-9)


def test_known_sources_are_found_and_a_stray_item_changes_little() -> None:
    generator = np.random.default_rng(1)
    found, stray = [], []
    for _ in range(200):
        values = (10 + generator.normal(0, 2, (20, 1)) + generator.normal(0, 1, (20, 5))).ravel()
        found.append(Spread.of(values))
        values[generator.integers(100)] = 1000.0
        stray.append(Spread.of(values))
    assert np.mean([each.within for each in found]) == pytest.approx(1, abs=0.05)
    assert np.sqrt(np.mean([each.slow**2 for each in found])) == pytest.approx(2, abs=0.1)
    centres = np.array([each.centre for each in found])
    assert centres.std() == pytest.approx(np.mean([each.standard_error for each in found]), rel=0.1)
    assert max(abs(odd.centre - each.centre) for odd, each in zip(stray, found, strict=True)) < 0.2
    assert Spread.of(np.zeros(29)) is None

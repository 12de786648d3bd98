"""The martingale: fair by quadrature, by brute force over starting times, and within Ville's bound for ever."""

import numpy as np
import pytest
from scipy.special import ndtr

from hizumi.calibration.martingale import BETS, Martingale, after_bet, reserve
from hizumi.monitoring.ranks import SequentialRanks

EVER = 0.05


def highest(p_values: np.ndarray) -> np.ndarray:
    """The highest wealth of each stream (streams, pictures)."""
    accounts, most = np.zeros((len(BETS), len(p_values))), np.ones(len(p_values))
    for seen, column in enumerate(p_values.T):
        accounts = after_bet(accounts, seen, column)
        most = np.maximum(most, accounts.sum(0) + reserve(seen + 1))
    return most


def test_no_bet_gains_on_average() -> None:
    points, weights = np.polynomial.legendre.leggauss(6)  # exact for polynomials of such degrees
    points, weights = (points + 1) / 2, weights / 2
    wealth = np.zeros((6, 6, 6))
    for index in np.ndindex(6, 6, 6):
        martingale = Martingale()
        for place in index:
            wealth[index] = martingale.bet(float(points[place]))
    total = np.einsum("ijk,i,j,k->", wealth, weights, weights, weights)
    assert total == pytest.approx(1, abs=1e-12)
    assert wealth.min() > 0


def test_wealth_is_that_of_all_starting_times() -> None:
    p_values = np.random.default_rng(0).random(30)
    martingale = Martingale()
    for p_value in p_values:
        martingale.bet(float(p_value))
    expected = reserve(30)
    for start in range(30):
        for bet in BETS:
            stake = (reserve(start) - reserve(start + 1)) / len(BETS)
            expected += stake * float(np.prod(1 + bet * (p_values[start:] - 0.5)))
    assert martingale.wealth == pytest.approx(expected, rel=1e-12)


def test_false_alarms_ever_are_within_the_bound_and_drifts_are_found() -> None:
    generator = np.random.default_rng(1)
    good = generator.random((4000, 3000))
    ever = np.mean(highest(good) >= 1 / EVER)
    assert ever < EVER + 3 * np.sqrt(EVER / 4000)
    # Half a sigma, early and late.
    for before in (0, 1000):
        drifted = generator.random((300, before + 300))
        drifted[:, before:] = ndtr(-(generator.normal(size=(300, 300)) + 0.5))
        assert np.mean(highest(drifted) >= 1 / EVER) > 0.95


def test_ranks_keep_the_bound_with_twenty_calibration_scores() -> None:
    generator = np.random.default_rng(2)
    alarms = 0
    for _ in range(60):
        scores = generator.normal(size=420).tolist()
        ranks, martingale = SequentialRanks.after(np.array(scores[:20]), generator), Martingale()
        p_values = (ranks.p_value(score, generator.random()) for score in scores[20:])
        alarms += any(martingale.bet(p_value) >= 1 / EVER for p_value in p_values if p_value is not None)
    assert alarms <= 8  # 3 are expected at most; more than 8 come in one of 170 such tests


def test_the_way_of_a_drift() -> None:
    for p_value, way in ((0.2, 1), (0.8, -1)):
        martingale = Martingale()
        for _ in range(20):
            martingale.bet(p_value)
        assert martingale.way == way

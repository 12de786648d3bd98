"""The false-alarm rate that an inspector promises, over many fits."""

import math
from collections.abc import Callable

import numpy as np

from hizumi.inspection import Inspector

RUNS, ROWS, NEW, RATE = 500, 120, 400, 0.05


def test_conformal_promise_through_the_inspector(catalogue: Callable[..., None]) -> None:
    rates, promises = [], []
    for seed in range(RUNS):
        generator = np.random.default_rng(seed)
        mixing = generator.normal(size=(4, 4))

        def draw(count: int) -> np.ndarray:
            # Heavy tails: the promise asks for no law of the data.
            return generator.standard_t(3, size=(count, 4)) @ mixing  # noqa: B023  # called in this round only

        inspector = Inspector("mahalanobis", false_alarm_rate=RATE).fit(draw(ROWS))
        promised = inspector.calibration_.threshold.promised_rate
        assert promised is not None
        promises.append(promised)
        rates.append(float((inspector.predict(draw(NEW)) == -1).mean()))
    mean, error = float(np.mean(rates)), float(np.std(rates, ddof=1) / math.sqrt(RUNS))
    promised = float(np.mean(promises))
    catalogue(
        "Conformal promise through Inspector, 500 fits of 120 heavy-tailed rows, 5% asked",
        f"{mean:.2%} ± {error:.2%} of new good rows flagged; {promised:.2%} promised",
        mark="the promise, within three standard errors",
        holds=abs(mean - promised) <= 3 * error and promised <= RATE,
    )

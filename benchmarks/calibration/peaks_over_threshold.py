"""How often peaks over threshold keeps the rate that was asked, on fourteen laws whose tails are known.

    python benchmarks/calibration/peaks_over_threshold.py

writes benchmarks/results/calibration/peaks_over_threshold.json: for each law, number of scores and rate, the share of
calibrations whose threshold is exceeded no more often than asked, the median true rate, and that which one calibration
in twenty exceeds, both in units of the rate asked.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from hizumi.calibration.limits import peaks_over_threshold_limit

RESULT = Path(__file__).parent.parent / "results" / "calibration" / "peaks_over_threshold.json"
CASES = ((250, 1e-3), (1000, 1e-3), (1000, 1e-4))
CALIBRATIONS = 300


@dataclass(frozen=True)
class Mixture:
    """A share of scores from one law, the others from another."""

    share: float
    few: stats.rv_continuous
    most: stats.rv_continuous

    def rvs(self, count: int, random_state: np.random.Generator) -> np.ndarray:
        from_few = random_state.random(count) < self.share
        draws = [law.rvs(count, random_state=random_state) for law in (self.few, self.most)]
        return np.where(from_few, *draws)

    def sf(self, value: float) -> float:
        return float(self.share * self.few.sf(value) + (1 - self.share) * self.most.sf(value))


LAWS = {
    "normal": stats.norm(),
    "exponential": stats.expon(),
    "lognormal": stats.lognorm(1.0),
    "Gumbel": stats.gumbel_r(),
    "chi-square, 4 degrees": stats.chi2(4),
    "gamma, shape 3": stats.gamma(3),
    "Weibull, shape 0.7": stats.weibull_min(0.7),
    "logistic": stats.logistic(),
    "beta (2, 5)": stats.beta(2, 5),
    "uniform": stats.uniform(),
    "Pareto, shape 0.2": stats.genpareto(0.2),
    "Student, 3 degrees": stats.t(3),
    "5% spread three times as widely": Mixture(0.05, stats.norm(scale=3), stats.norm()),
    "0.3% far beyond all others": Mixture(0.003, stats.norm(12, 2), stats.norm()),
}


def measured(law: stats.rv_continuous | Mixture, count: int, rate: float, calibrations: int) -> dict[str, float]:
    generator = np.random.default_rng(count)
    draws = (np.sort(law.rvs(count, random_state=generator)) for _ in range(calibrations))
    rates = np.array([law.sf(peaks_over_threshold_limit(scores, rate).value) for scores in draws]) / rate
    return {
        "kept": round(float((rates <= 1).mean()), 3),
        "median": float(f"{np.median(rates):.3g}"),
        "one in twenty": float(f"{np.quantile(rates, 0.95):.3g}"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="three calibrations each, nothing written")
    smoke = parser.parse_args().smoke
    rows = []
    for count, rate in CASES:
        for name, law in LAWS.items():
            rows.append(
                {"law": name, "scores": count, "rate": rate} | measured(law, count, rate, 3 if smoke else CALIBRATIONS)
            )
            print(rows[-1], flush=True)
    if not smoke:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps({"calibrations": CALIBRATIONS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""From scores to p-values, by the scores of normal data that nothing was trained on, and from many p-values to one.

All p-values are logarithms: those of strong anomalies are too small for any floating-point number.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.calibration.limits import FEWEST_EXCESSES, fit_generalised_pareto
from hizumi.errors import NotFittedError

TAIL_SHARE = 0.1
SMALLEST = torch.finfo(torch.float32).tiny  # which graphs in single precision do not take for 0
LEAST_SPREAD = 1e-9  # of reference scores that are all the same, relative to their size; absolute where that is 0


class ReferenceScores(nn.Module):
    """How unusual a score is among reference scores: a p-value that is smooth, and the same for no two scores.

    Between reference scores it falls in straight lines, which makes it uniform for new normal data whatever the law of
    the scores. Beyond the largest it follows a generalised Pareto law fitted to the upper tenth, no lighter than an
    exponential one, since a law with an end would make all that lies beyond it the same; below the lowest score an
    exponential law.

    Where few scores lie in the tail these p-values are best guesses, not limits: at a true 1 in 10,000 and with 200
    scores they are typically 2 times as large for exponential scores, 7 times for normal ones and a quarter for
    Student's with 3 degrees of freedom, and for exponential ones anything from a twentieth to 40 times in nine of ten
    fits. They weigh members against each other; verdicts on the fused score are calibrated on other images and keep
    their rate whatever these are.
    """

    scores: Tensor | None  # (m,) ascending and distinct
    shares: Tensor | None  # (m,) of normal data at or above each
    laws: Tensor | None  # (3,) shape and scale beyond the largest, scale below the lowest

    def __init__(self) -> None:
        super().__init__()
        for name in ("scores", "shares", "laws"):
            self.register_buffer(name, None)

    def fit(self, scores: Float[Tensor, " n"]) -> None:
        """Fit to the scores of normal data."""
        ascending = scores.double().sort().values
        count = len(ascending)
        tail = min(max(FEWEST_EXCESSES, math.ceil(TAIL_SHARE * count)), count // 2)
        start, middle = ascending[count - tail - 1], ascending[count // 2]
        excesses, depths = ascending[ascending > start] - start, middle - ascending[ascending < middle]
        floor = LEAST_SPREAD * (float(ascending.abs().max()) or 1.0)
        shape, scale = 0.0, max(_mean(excesses), floor)
        if len(excesses) >= FEWEST_EXCESSES:
            heavier, its_scale = fit_generalised_pareto(excesses.cpu().numpy())
            if heavier > 0:  # seen from the largest score instead of the tail's start, its scale is larger
                shape, scale = heavier, its_scale + heavier * float(ascending[-1] - start)
        self.scores, copies = torch.unique(ascending, return_counts=True)
        self.shares = (count - copies.cumsum(0) + copies).double() / (count + 1)
        self.laws = torch.tensor([shape, scale, max(_mean(depths), floor)], dtype=torch.float64, device=scores.device)

    def forward(self, scores: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        if self.scores is None or self.shares is None or self.laws is None:
            raise NotFittedError("there are no reference scores yet; call fit first")
        scores, (shape, scale, depth) = scores.double(), self.laws
        above = (scores - self.scores[-1]).clamp(min=0) / scale
        heavy = (shape * above).log1p() / shape.clamp(min=SMALLEST)
        tail = self.shares[-1].log() - torch.where(shape > 0, heavy, above)
        below = (self.scores[0] - scores).clamp(min=0) / depth
        common = torch.log1p(-(1 - self.shares[0]) * (-below).exp())
        left = ((self.scores <= scores[:, None]).sum(1) - 1).clamp(min=0)
        right = (left + 1).clamp(max=len(self.scores) - 1)
        gap = (self.scores[right] - self.scores[left]).clamp(min=SMALLEST)
        between = torch.lerp(self.shares[left], self.shares[right], (scores - self.scores[left]) / gap).log()
        return torch.where(above > 0, tail, torch.where(below > 0, common, between))


def fisher(log_p: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """-2 Σ log p follows a chi-square law with 2 k degrees of freedom, where the p-values are independent.

    Fisher, Statistical methods for research workers, 1925.
    """
    half = -log_p.sum(1, keepdim=True)  # P(chi-square > 2 half) = exp(-half) Σ half^j / j!, j = 0 .. k - 1
    powers = range(log_p.shape[1])
    terms = torch.cat([power * half.clamp(min=SMALLEST).log() - math.lgamma(power + 1) for power in powers], 1)
    return terms.logsumexp(1) - half[:, 0]


def cauchy(log_p: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """The mean of tan(π (1/2 - p)) is Cauchy distributed; small p-values are right however they depend on each other.

    Liu & Xie, Cauchy combination test, JASA 2020.
    """
    log_other = _log1mexp(log_p)  # log(1 - p)
    nothing = torch.full_like(log_p, -math.inf)
    small = log_p < math.log(0.5)
    plus = torch.where(small, _log_cotangent(log_p), nothing).logsumexp(1)
    minus = torch.where(small, nothing, _log_cotangent(log_other)).logsumexp(1)
    log_size = torch.maximum(plus, minus) + _log1mexp(-(plus - minus).abs()) - math.log(log_p.shape[1])
    log_tail = _log_cauchy_tail(log_size)
    return torch.where(plus >= minus, log_tail, _log1mexp(log_tail))


def minimum(log_p: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """The smallest p-value, corrected for having been chosen: 1 - (1 - p)^k (Šidák 1967).

    Exact where they are independent, on the safe side where they rise and fall together; at worst it is too small by
    the factor -log(1 - p) / p: 1.005 at p = 1%.
    """
    smallest, count = log_p.amin(1), log_p.shape[1]
    return torch.where(smallest < -30, smallest + math.log(count), _log1mexp(count * _log1mexp(smallest)))


Fusion = Literal["fisher", "cauchy", "minimum"]

FUSIONS: dict[Fusion, Callable[[Tensor], Tensor]] = {"fisher": fisher, "cauchy": cauchy, "minimum": minimum}


def _log1mexp(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 - exp(values)) for values of 0 or less, without loss of digits at either end."""
    return torch.where(values > -math.log(2), (-values.expm1()).log(), (-values.exp()).log1p())


def _log_cotangent(log_p: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log cot(π p) for p up to 1/2: 1 / (π p) where p is small."""
    angle = math.pi * log_p.exp()
    return torch.where(log_p < -20, -log_p - math.log(math.pi), -angle.tan().log())


def _log_cauchy_tail(log_size: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log P(a Cauchy variable > size)."""
    near = ((-log_size).exp().atan() / math.pi).log()
    return torch.where(log_size > 20, -log_size - math.log(math.pi), near)


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0

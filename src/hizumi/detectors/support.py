"""One-class support vector machines as buffers: fitted by scikit-learn, scored in torch."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.errors import NotFittedError

Kernel = Literal["rbf", "fourier", "linear"]
"""exp(-γ |x - y|²), exactly or by random Fourier features for any number of rows, or x·y."""

MAX_ROWS = 10_000  # the exact kernel's training takes time with the square of the rows
FOURIER_FEATURES = 1024
DESCENT_STEPS = 200_000  # a row each
MAX_STEPS = 2000  # towards the smallest ball
GAP = 1e-6  # between it and its dual, relative to the radius, at which it is found


class SupportVectorMachine(nn.Module):
    """A(x) = ρ - w·Φ(x), zero on the boundary, of min |w|²/2 - ρ + Σ [ρ - w·Φ(xᵢ)]₊ / (νn) (Schölkopf et al. 2001).

    "rbf" is solved exactly on at most 10,000 rows, drawn evenly: Φ(x) are kernels with the support vectors, w their
    coefficients. "linear" and "fourier" (Rahimi & Recht 2007) take all rows and find w by stochastic gradient descent;
    ρ is then the ν-quantile of w·Φ(xᵢ), which is where the minimum lies for that w. γ = 1 / (d Var x).

    Args:
        kernel: One of the three.
        nu: Upper bound on the share of training data outside, lower bound on that of support vectors.
    """

    support_vectors: Tensor | None
    gamma: Tensor | None
    frequencies: Tensor | None
    angles: Tensor | None
    weights: Tensor | None
    offset: Tensor | None

    def __init__(self, kernel: Kernel, nu: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.nu = nu
        for name in ("support_vectors", "gamma", "frequencies", "angles", "weights", "offset"):
            self.register_buffer(name, None)

    def fit(self, rows: Float[Tensor, "n d"]) -> None:
        """Fit on rows in double precision."""
        rows = rows.cpu()
        match self.kernel:
            case "rbf":
                rows = rows[torch.linspace(0, len(rows) - 1, min(len(rows), MAX_ROWS)).long()]
                self._solve(rows, _gamma(rows))
            case "fourier":
                generator = torch.Generator().manual_seed(0)
                shape = rows.shape[1], FOURIER_FEATURES
                spread = math.sqrt(2 * _gamma(rows))  # of the frequencies: the kernel's Fourier transform is a Gaussian
                self.frequencies = spread * torch.randn(shape, generator=generator, dtype=rows.dtype)
                self.angles = 2 * math.pi * torch.rand(shape[1], generator=generator, dtype=rows.dtype)
                self._descend(self.features(rows))
            case "linear":
                self._descend(rows)

    def features(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Φ(x)."""
        if self.support_vectors is not None and self.gamma is not None:
            # Differences one by one: a shortcut by scalar products would round differently in another batch.
            distances = torch.cdist(rows, self.support_vectors, compute_mode="donot_use_mm_for_euclid_dist")
            return (-self.gamma * distances.square()).exp()
        if self.frequencies is not None and self.angles is not None:
            return math.sqrt(2 / len(self.angles)) * (rows @ self.frequencies + self.angles).cos()
        return rows

    def forward(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        if self.weights is None or self.offset is None:
            raise NotFittedError("this support vector machine is not fitted yet; call fit first")
        return self.offset - self.features(rows) @ self.weights

    def _solve(self, rows: Float[Tensor, "n d"], gamma: float) -> None:
        from sklearn.svm import OneClassSVM

        machine = OneClassSVM(nu=self.nu, gamma=gamma, tol=1e-6).fit(rows.numpy())
        self.support_vectors = torch.from_numpy(machine.support_vectors_)
        self.gamma = torch.tensor(gamma, dtype=rows.dtype)
        self.weights = torch.from_numpy(machine.dual_coef_[0].copy())
        self.offset = torch.tensor(-machine.intercept_[0], dtype=rows.dtype)

    def _descend(self, features: Float[Tensor, "n k"]) -> None:
        from sklearn.linear_model import SGDOneClassSVM

        epochs = math.ceil(DESCENT_STEPS / len(features))
        machine = SGDOneClassSVM(self.nu, max_iter=epochs, tol=None, random_state=0).fit(features.numpy())
        self.weights = torch.from_numpy(machine.coef_.copy())
        projections = features @ self.weights
        self.offset = projections.sort().values[int(self.nu * len(projections))]


class SupportVectorBall(nn.Module):
    """A(x) = |x - a|² - R², zero on the boundary, of min R² + Σ [|xᵢ - a|² - R²]₊ / (νn) (Tax & Duin 2004).

    Solved by the conditional gradient method (Frank & Wolfe 1956) in the dual, max Σ aᵢ |xᵢ|² - |Σ aᵢ xᵢ|² for weights
    0 <= aᵢ <= 1 / (νn) that sum to 1: each step moves the centre towards the mean of the νn farthest rows.

    Args:
        nu: Upper bound on the share of training data outside.
    """

    centre: Tensor | None
    squared_radius: Tensor | None

    def __init__(self, nu: float) -> None:
        super().__init__()
        self.nu = nu
        self.register_buffer("centre", None)
        self.register_buffer("squared_radius", None)

    def fit(self, rows: Float[Tensor, "n d"]) -> None:
        """Fit on rows in double precision."""
        rows = rows.cpu()
        outside = max(1.0, self.nu * len(rows))
        shares = (outside - torch.arange(len(rows), dtype=rows.dtype)).clamp(0, 1) / outside
        lengths = rows.square().sum(1)
        centre, length = rows.mean(0), lengths.mean()
        for _ in range(MAX_STEPS):
            farthest = (rows - centre).square().sum(1).argsort(descending=True)
            direction, stretch = shares @ rows[farthest] - centre, shares @ lengths[farthest] - length
            gap = stretch - 2 * centre @ direction
            if gap <= GAP * (length - centre @ centre):
                break
            step = (gap / (2 * direction.square().sum())).clamp(max=1)
            centre, length = centre + step * direction, length + step * stretch
        self.centre = centre
        self.squared_radius = (rows - centre).square().sum(1).sort(descending=True).values[int(self.nu * len(rows))]

    def forward(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """How far rows lie outside the ball, in squared distance from its centre; negative inside."""
        if self.centre is None or self.squared_radius is None:
            raise NotFittedError("this ball is not fitted yet; call fit first")
        return (rows - self.centre).square().sum(1) - self.squared_radius


def _gamma(rows: Float[Tensor, "n d"]) -> float:
    variance = float(rows.var(correction=0))
    return 1 / (rows.shape[1] * variance) if variance > 0 else 1.0

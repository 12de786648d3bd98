"""Gaussians as buffers: one, or a whole field of them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.errors import NotFittedError


class Gaussian(nn.Module):
    """Mean (..., k) and covariance (..., k, k), kept as a Cholesky factor."""

    mean: Tensor | None
    cholesky: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", None)
        self.register_buffer("cholesky", None)

    def assign(self, mean: Float[Tensor, "*field k"], covariance: Float[Tensor, "*field k k"]) -> None:
        """Take over estimated moments."""
        # A direction in which nothing varied still needs a spread; a millionth of the mean leaves the rest as it is.
        spread = covariance.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        floor = (1e-6 * spread).clamp(min=1e-12) * torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device)
        self.mean, self.cholesky = mean, torch.linalg.cholesky(covariance + floor)

    def squared_distance(self, values: Float[Tensor, "n *field k"]) -> Float[Tensor, "n *field"]:
        """Squared Mahalanobis distances."""
        if self.mean is None or self.cholesky is None:
            raise NotFittedError("these Gaussians have no moments yet; call fit first")
        centred = (values - self.mean).movedim(0, -1)  # (*field, k, n)
        whitened = torch.linalg.solve_triangular(self.cholesky, centred, upper=False)
        return whitened.square().sum(-2).movedim(-1, 0)

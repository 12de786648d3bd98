"""Gaussians as buffers: one, or a whole field of them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.errors import NotFittedError


class Gaussian(nn.Module):
    """Mean (..., k) and covariance (..., k, k), kept as the inverse of its Cholesky factor, which whitens."""

    mean: Tensor | None
    whitening: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", None)
        self.register_buffer("whitening", None)

    def assign(self, mean: Float[Tensor, "*field k"], covariance: Float[Tensor, "*field k k"]) -> None:
        """Set estimated moments."""
        # A direction in which nothing varied still needs a spread; a millionth of the mean leaves the rest as it is.
        spread = covariance.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        identity = torch.eye(mean.shape[-1], dtype=torch.float64, device=mean.device)
        factor = torch.linalg.cholesky(covariance.double() + (1e-6 * spread).clamp(min=1e-12).double() * identity)
        whitening = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
        # A loaded matrix lies in memory row by row, and must give the same to the last digit.
        self.mean, self.whitening = mean, whitening.to(mean.dtype).contiguous()

    def log_volume(self) -> Float[Tensor, "*field"]:
        """log |W| of the whitening W: log densities are this - d²/2 - k/2 log 2π."""
        if self.whitening is None:
            raise NotFittedError("these Gaussians have no moments yet; call fit first")
        return self.whitening.diagonal(dim1=-2, dim2=-1).double().log().sum(-1)

    def squared_distance(self, values: Float[Tensor, "n *field k"]) -> Float[Tensor, "n *field"]:
        """Squared Mahalanobis distances."""
        if self.mean is None or self.whitening is None:
            raise NotFittedError("these Gaussians have no moments yet; call fit first")
        centred = (values - self.mean).movedim(0, -1)  # (*field, k, n)
        return (self.whitening @ centred).square().sum(-2).movedim(-1, 0)

"""The space that the classical detectors work in: pixels or columns, principal components, or a model's codes."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.data.stream import Batches, in_order
from hizumi.errors import UsageError
from hizumi.models.abilities import CanEncode
from hizumi.training import Trainable

Features = Literal["auto", "raw", "pca"] | Trainable
"""Pixels or columns as they are, principal components of them, or the codes of a model that encodes."""


class FeatureSpace(nn.Module):
    """Items to feature rows (n, k) in double precision, which makes scores independent of the batch they came in.

    Principal components keep their own scale; a model's codes are standardised by the training data.
    """

    centre: Tensor | None
    basis: Tensor | None

    def __init__(self, features: Features, variance_share: float) -> None:
        super().__init__()
        if isinstance(features, Trainable):
            if not isinstance(features, CanEncode):
                raise UsageError(f"{type(features).__name__} has no encoder; give Autoencoder(), VAE(), 'pca' or 'raw'")
        elif features not in ("auto", "raw", "pca"):
            raise UsageError(f"features {features!r} is not known; use auto, raw, pca or a model that encodes")
        if not 0 < variance_share <= 1:
            raise UsageError(f"variance_share is {variance_share}; it must lie above 0 and be at most 1")
        self.model = features if isinstance(features, Trainable) else None
        self.kind = features if isinstance(features, str) else "codes"
        self.variance_share = variance_share
        self.register_buffer("centre", None)
        self.register_buffer("basis", None)

    def fit(self, batches: Batches) -> Float[Tensor, "n k"]:
        """Fit on training data and return its features."""
        self.centre = self.basis = None
        rows = torch.cat([self._raw(batch) for batch in in_order(batches)])
        centre = rows.mean(0)
        if self.kind == "pca" or (self.kind == "auto" and len(batches.shape) == 3):
            self.centre, self.basis = centre, _principal_axes(rows - centre, self.variance_share)
        elif self.kind == "codes":
            deviation = rows.std(0, correction=0)
            self.centre, self.basis = centre, torch.where(deviation > 0, 1 / deviation, 1.0).diag()
        return self._project(rows)

    def forward(self, images: Tensor) -> Float[Tensor, "n k"]:
        """Features of items."""
        return self._project(self._raw(images))

    def _raw(self, images: Tensor) -> Tensor:
        rows = self.model.encode(images) if isinstance(self.model, CanEncode) else images
        return rows.flatten(1).double()

    def _project(self, rows: Tensor) -> Tensor:
        return rows if self.centre is None or self.basis is None else (rows - self.centre) @ self.basis


def _principal_axes(centred: Float[Tensor, "n d"], variance_share: float) -> Float[Tensor, "d k"]:
    # Through the smaller of the two Gram matrices: an image has far more pixels than a set has images, or the reverse.
    rows, columns = centred.shape
    if rows < columns:
        variances, vectors = torch.linalg.eigh(centred @ centred.T)
        axes = centred.T @ vectors / variances.clamp(min=1e-12).sqrt()
    else:
        variances, axes = torch.linalg.eigh(centred.T @ centred)
    share = variances.flip(0).clamp(min=0).cumsum(0) / variances.clamp(min=0).sum().clamp(min=1e-300)
    meaningful = int((variances > 1e-10 * variances[-1]).sum())
    count = min(int((share < variance_share - 1e-12).sum()) + 1, max(1, meaningful))
    return axes.flip(1)[:, :count].contiguous()

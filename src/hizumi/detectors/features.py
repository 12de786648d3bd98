"""The space that the classical detectors work in: pixels or columns, principal components, or a model's codes."""

from typing import Annotated, Literal

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.data.stream import Batches
from hizumi.detectors.shard import Shard
from hizumi.models.abilities import CanEncode

Features = Literal["auto", "raw", "pca"] | CanEncode
"""Pixels or columns as they are, principal components of them, or the codes of a model that encodes."""

VarianceShare = Annotated[float, Interval(gt=0, le=1)]

MAX_WHITENED = 256  # principal components of codes
WHITENING_FLOOR = 1e-3  # of a standardised number's variance: what varies less is noise


def rows(images: Tensor, features: Features) -> Float[Tensor, "n d"]:
    """Items as rows in double precision, which makes scores independent of the batch they came in."""
    return (images if isinstance(features, str) else features.encode(images)).flatten(1).double()


def rows_of(batches: Batches, features: Features) -> Float[Tensor, "n d"]:
    """Rows of all training items; what takes computing is shared out among the processes that fit together."""
    shard = Shard(batches) if isinstance(features, str) else Shard.of(batches)
    return shard.of_all(lambda batch: rows(batch, features))


class FeatureSpace(nn.Module):
    """Rows (n, d) to features (n, k), fitted on training data.

    Principal components keep their own scale, and one more feature says how far a row lies from all of them: most
    anomalies leave the subspace rather than go far within it (Moghaddam & Pentland 1997). Codes are standardised; with
    `max_whitened`, so many principal components of them at most are kept, and brought to variance 1.
    """

    centre: Tensor | None
    basis: Tensor | None

    def __init__(self, features: Features, variance_share: float = 1.0, max_whitened: int | None = None) -> None:
        super().__init__()
        self.kind: Literal["auto", "raw", "pca", "codes"] = features if isinstance(features, str) else "codes"
        self.variance_share = variance_share
        self.max_whitened = max_whitened
        self.register_buffer("centre", None)
        self.register_buffer("basis", None)

    def fit(self, rows: Float[Tensor, "n d"], images: bool) -> Float[Tensor, "n k"]:
        """Fit on rows of images or of vectors, and return their features."""
        self.centre = self.basis = None
        match ("pca" if images else "raw") if self.kind == "auto" else self.kind:
            case "raw":
                pass
            case "pca":
                self.centre = rows.mean(0)
                self.basis = principal_axes(rows - self.centre, self.variance_share)
            case "codes":
                deviation = rows.std(0, correction=0)
                self.centre, self.basis = rows.mean(0), torch.where(deviation > 0, 1 / deviation, 1.0).diag()
                if self.max_whitened is not None:
                    standardised = (rows - self.centre) @ self.basis
                    axes = principal_axes(standardised, 1.0)[:, : self.max_whitened]
                    variances = (standardised @ axes).square().mean(0)
                    self.basis = self.basis @ axes / (variances + WHITENING_FLOOR).sqrt()
        features: Tensor = self(rows)
        return features

    def forward(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        if self.centre is None or self.basis is None:
            return rows
        centred = rows - self.centre
        features = centred @ self.basis
        if self.kind == "codes" or self.basis.shape[1] == rows.shape[1]:
            return features
        distance = (centred - features @ self.basis.T).norm(dim=1, keepdim=True)
        return torch.cat([features, distance], 1)


def principal_axes(centred: Float[Tensor, "n d"], variance_share: float) -> Float[Tensor, "d k"]:
    """The fewest axes that keep this share of the variance, at least one, by falling variance."""
    # Through the smaller of the two Gram matrices: an image has far more pixels than a set has images, or the reverse.
    count, columns = centred.shape
    if count < columns:
        variances, vectors = torch.linalg.eigh(centred @ centred.T)
        axes = centred.T @ vectors / variances.clamp(min=1e-12).sqrt()
    else:
        variances, axes = torch.linalg.eigh(centred.T @ centred)
    variances = variances.clamp(min=0)
    share = variances.flip(0).cumsum(0) / variances.sum().clamp(min=1e-300)
    meaningful = max(1, int((variances > 1e-10 * variances[-1]).sum()))
    kept = min(int((share < variance_share - 1e-12).sum()) + 1, meaningful)
    return axes.flip(1)[:, :kept].contiguous()

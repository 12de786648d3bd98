"""What a fitted model can do; detectors and commands ask for an ability, not for a class."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor


class Likelihood(NamedTuple):
    """Log-likelihoods in nats, and what they are made of."""

    image: Tensor  # (n,)
    pixel: Tensor | None  # (n, 1, h, w): each pixel's share, summed over channels; None for vectors
    terms: dict[str, Tensor]  # each (n,)


class CanSample(ABC):
    """Makes new items."""

    @abstractmethod
    def sample(self, count: int, seed: int = 0) -> Tensor:
        """New items (count, *shape), the same for the same seed."""


class CanEncode(ABC):
    """Turns items into codes."""

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Codes of items, (n, k) or (n, k, p, q)."""


class CanDecode(ABC):
    """Turns codes into items: codes of `encode`, or (n, latent) from N(0, I), where samples are made of such."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Items of codes, (n, k) or (n, k, p, q)."""


class CanReconstruct(ABC):
    """Rebuilds items through a bottleneck."""

    @abstractmethod
    def reconstruct(self, images: Tensor) -> Tensor:
        """Items of the same shape, as the model would have them."""


class CanTranslate(ABC):
    """Turns images into what they are on the other side: clean, large, coloured, of another set."""

    @abstractmethod
    def translate(self, images: Tensor) -> Tensor:
        """Images of the same size, the same for the same input; their channels are the targets'."""


class HasLikelihood(ABC):
    """Says how probable an item is."""

    @abstractmethod
    def log_likelihood(self, images: Tensor) -> Likelihood:
        """Log-likelihoods, or the bound on them that the model offers; deterministic, each item by itself."""


ABILITIES: dict[type, str] = {
    CanSample: "sample",
    CanReconstruct: "reconstruct",
    CanTranslate: "translate",
    HasLikelihood: "give likelihoods",
    CanEncode: "encode",
    CanDecode: "decode",
}
"""What a model that has the ability can do, in a word."""

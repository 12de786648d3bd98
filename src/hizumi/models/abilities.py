"""What a fitted model can do; detectors and commands ask for an ability, not for a class."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor, nn

from hizumi.errors import DataError
from hizumi.models.guarded import Guarded
from hizumi.training import Trainable


class LogLikelihood(NamedTuple):
    """Log-likelihoods in nats, and what they are made of."""

    image: Tensor  # (n,)
    pixel: Tensor | None  # (n, 1, h, w): each pixel's share, summed over channels; None for vectors
    terms: dict[str, Tensor]  # each (n,)


class CanSample(Guarded, ABC):
    """Generates new items."""

    needed: ClassVar[str] = "a model that generates items"

    @abstractmethod
    def sample(self, count: int, seed: int = 0) -> Tensor:
        """New items (count, *shape), determined by the seed."""


class CanContinue(CanSample, ABC):
    """Goes on with a series."""

    needed: ClassVar[str] = "a model that continues series"

    @abstractmethod
    def continued(self, start: Tensor, seed: int = 0) -> Tensor:
        """Windows (n, c, 1, t) that begin with the steps (n, c, 1, k), k < t, and go on as the seed determines."""


class CanEncode(Guarded, ABC):
    """Maps items to codes."""

    needed: ClassVar[str] = "a model that encodes"

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Codes of items, (n, k) or (n, k, p, q)."""


class CanDecode(Guarded, ABC):
    """Maps codes to items."""

    needed: ClassVar[str] = "a model that decodes"

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Items of codes, (n, k) or (n, k, p, q)."""

    @abstractmethod
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one code, (k,) or (k, p, q), of a fitted model."""


class CanReconstruct(Guarded, ABC):
    """Rebuilds items through a bottleneck."""

    needed: ClassVar[str] = "a model that reconstructs"

    @abstractmethod
    def reconstruct(self, images: Tensor) -> Tensor:
        """Reconstructions, of the same shape as the items."""


class Autoencodes(CanEncode, CanDecode, CanReconstruct, ABC):
    """Reconstructs items from their codes; adversarial models return items of the same kind, not the same pixels."""

    @final
    def reconstruct(self, images: Tensor) -> Tensor:
        return self.decode(self.encode(images))

    def code_shape(self) -> tuple[int, ...]:
        with torch.no_grad():
            return tuple(self.eval().encode(torch.zeros(2, *self.require_built(), device=self.device)).shape[1:])


class CanTranslate(Guarded, ABC):
    """Turns images into their counterparts: clean, enlarged, coloured, or of another set."""

    needed: ClassVar[str] = "a model that translates images"

    @abstractmethod
    def translate(self, images: Tensor) -> Tensor:
        """Images of the same height and width with the channels of the targets; deterministic."""


class CanTranslateBack(CanTranslate, ABC):
    """Translates between two sets of images, in both directions."""

    needed: ClassVar[str] = "a model that translates images in both directions"

    @abstractmethod
    def translate_back(self, images: Tensor) -> Tensor:
        """Images of the second set as images of the first; deterministic."""


class HasTargetChannels(Trainable, ABC):
    """Its answers may have another number of channels than its inputs."""

    needed: ClassVar[str] = "a model whose answers may have other channels than its inputs"
    target_channels: int | None  # None: as many as the inputs


class LearnsClasses(Trainable, ABC):
    """Learns from labels 0 .. classes - 1; without a number of classes it takes none."""

    needed: ClassVar[str] = "a model that learns classes"
    classes: int | None

    @final
    def check_labels(self, labels: Tensor) -> None:
        """Raise DataError where a label is none of 0 .. classes - 1."""
        lowest, highest = (int(each) for each in labels.aminmax())
        if self.classes is not None and not 0 <= lowest <= highest < self.classes:
            wrong = lowest if lowest < 0 else highest
            raise DataError(
                f"a label is {wrong}, but there are {self.classes} classes, 0 to {self.classes - 1}; set classes"
            )


class CanSampleClasses(CanSample, LearnsClasses, ABC):
    """Generates items of a class that is asked for."""

    needed: ClassVar[str] = "a model that generates items of a class"

    @abstractmethod
    def sample(self, count: int, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        """New items of the classes `labels` (count,), or of all classes in turn."""


class HasPrior(CanSample, CanDecode, ABC):
    """Generates items by decoding codes (n, latent) from N(0, I), and by noise where the model has any around these."""

    needed: ClassVar[str] = "a model with codes from N(0, I)"
    latent: int

    def code_shape(self) -> tuple[int, ...]:
        return (self.latent,)

    @final
    def noise(self, count: int) -> Tensor:
        """Codes (count, latent) drawn from N(0, I)."""
        return torch.randn(count, self.latent, device=self.device)

    def spread(self) -> float:
        """Standard deviation of new items around what their codes decode to; 0 where codes say all."""
        return 0.0

    @final
    def sample(self, count: int, seed: int = 0) -> Tensor:
        self.require_built()
        generator = torch.Generator().manual_seed(seed)
        codes = torch.randn(count, self.latent, generator=generator)
        with torch.no_grad():
            items = self.eval().decode(codes.to(self.device))
        spread = self.spread()
        return items + spread * torch.randn(items.shape, generator=generator).to(items) if spread else items


class HasOpponent(HasPrior, ABC):
    """A generator that plays against one network, which judges each item by itself, or together with its code."""

    needed: ClassVar[str] = "a GAN with one discriminator that judges each item by itself"

    @property
    @abstractmethod
    def opponent(self) -> nn.Module:
        """The discriminator or critic, with `features` of items (and codes), and `judge`, their logits (n,)."""


class JudgesPairs(Guarded, ABC):
    """Learns encoder and generator from a critic of items with their codes."""

    needed: ClassVar[str] = "a model whose critic judges items with their codes"

    @abstractmethod
    def pair_logits(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """The critic's logits, as it is trained: of the items with their codes, and of as many generated ones; (n,)."""


class HasLikelihood(Guarded, ABC):
    """Says how probable an item is."""

    needed: ClassVar[str] = "a model with a likelihood"

    @abstractmethod
    def log_likelihood(self, images: Tensor) -> LogLikelihood:
        """Log-likelihoods, or the bound that the model offers; deterministic, each item independent of the others."""


ABILITIES: dict[type, str] = {
    CanSample: "sample",
    CanContinue: "continue series",
    CanReconstruct: "reconstruct",
    CanTranslate: "translate",
    HasLikelihood: "give likelihoods",
    CanEncode: "encode",
    CanDecode: "decode",
}
"""Verbs for what `hizumi list` and the catalogue say that a model can do."""

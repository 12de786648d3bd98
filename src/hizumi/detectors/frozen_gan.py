"""A trained GAN as a detector uses it: nothing in it moves, and its discriminator says what an item is made of."""

from typing import Any

from torch import Tensor

from hizumi.errors import UsageError
from hizumi.models.ada_gan import AdaGAN
from hizumi.models.adversarial import Adversarial
from hizumi.models.progressive_gan import ProgressiveGAN
from hizumi.networks import JointCritic
from hizumi.training import Trainable

WITHOUT_FEATURES = (AdaGAN, ProgressiveGAN)  # one has several discriminators, the other's looks at whole batches


def as_gan(model: Trainable, user: str) -> Adversarial:
    """The model, a generator of codes and one discriminator with features; else an error that names who needs it."""
    if isinstance(model, Adversarial) and not isinstance(model, WITHOUT_FEATURES):
        return model
    raise UsageError(
        f"{user} needs a GAN with one discriminator that judges each item by itself, and {type(model).__name__} is "
        "none; give DCGAN(), WGANGP(), GAN() or BiGAN()"
    )


def freeze(gan: Adversarial) -> None:
    """Let nothing in the model move: weights, running averages, the statistics of batch norm."""
    gan.eval().requires_grad_(False)


def discriminator_of(gan: Adversarial) -> Any:
    """What the generator plays against, with `features` and `judge`, under whichever name it goes."""
    return gan.discriminator if hasattr(gan, "discriminator") else gan.critic


def judges_pairs(gan: Adversarial) -> bool:
    """Whether the discriminator looks at an item together with a code."""
    return isinstance(discriminator_of(gan), JointCritic)


def features_of(gan: Adversarial, items: Tensor, codes: Tensor | None = None) -> Tensor:
    """The discriminator's features (n, k) of items, seen together with codes where it judges pairs."""
    see = discriminator_of(gan).features
    return (see(items, codes) if judges_pairs(gan) else see(items)).flatten(1)

"""Shared by autoregressive models: an image is a sequence of pixels, each predicted from those before it.

Pixels come in raster order, and the channels of a pixel one after the other: p(x) = Π p(x_i | x_1 ... x_{i-1}).
"""

import math
from abc import ABC, abstractmethod
from typing import Annotated, Any, final

import torch
from annotated_types import Interval
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hizumi import objectives
from hizumi.data.stream import Batches, in_order
from hizumi.errors import DataError, UsageError
from hizumi.models.abilities import CanContinue, HasLikelihood, LogLikelihood
from hizumi.models.value_range import ValueRange
from hizumi.networks import AutoregressiveNetwork, Incremental
from hizumi.networks.parts import in_parts
from hizumi.networks.precision import at_least_single
from hizumi.shapes import is_series
from hizumi.training import Budget, WeightAverage, cosine_to_zero

Levels = Annotated[int, Interval(ge=2, le=256)]
AVERAGE_DECAY = 0.999
SAMPLES_AT_ONCE = 256
LOGITS_AT_ONCE = 2**26  # a quarter of a gibibyte


class Autoregressive(CanContinue, HasLikelihood, ABC):
    """A network that predicts every pixel's level from the earlier ones; subclasses make it.

    Brightness in [-1, 1] is rounded to `levels` equal steps, and likelihoods are those of the rounded image. Scores
    and samples come from a running average of the weights. With `classes`, all of it is conditional on a label: batches
    are (images, labels), and where no labels are given, classes are equally likely.

    The levels of a series are spread over the range of its training data, with a margin, channel by channel. A value
    beyond it, or brightness beyond [-1, 1], counts as the outermost level, and costs another nat for each level that it
    lies beyond.
    """

    default_budget = Budget(steps=3000)
    default_batch_size = 16

    levels: int
    learning_rate: float
    classes: int | None = None
    value_range: ValueRange | None  # None for images

    @abstractmethod
    def network(self, shape: tuple[int, ...]) -> AutoregressiveNetwork:
        """A network for images of this shape (c, h, w)."""

    @final
    def build(self, shape: tuple[int, ...]) -> None:
        self.body = self.network(shape)
        self.average = WeightAverage(self.body, AVERAGE_DECAY)
        self.value_range = ValueRange(shape[0]) if is_series(shape) else None
        self.optimise(
            "body", self.body.parameters(), learning_rate=self.learning_rate, schedule=cosine_to_zero, clip_norm=1.0
        )

    @final
    def begin(self, batches: Batches) -> None:
        """Learn the range of a series' values."""
        if self.value_range is not None:
            extremes = [_extremes(self._parts(batch)[0]) for batch in in_order(batches)]
            lowest, highest = (torch.stack(each) for each in zip(*extremes, strict=True))
            self.value_range.learn(lowest.amin(0), highest.amax(0))

    @final
    def step(self, batch: Any) -> dict[str, Tensor]:
        """Step down the negative log-likelihood, reported in nats per image."""
        images, labels = self._parts(batch)
        log_density = self._log_density(self.body, images, labels)
        loss = self.update("body", -log_density.mean())
        self.average.follow(self.body, self.clock)
        return {"nats": loss * log_density[0].numel()}

    @final
    def validation_loss(self, batch: Any) -> Tensor:
        """Negative log-likelihood in nats per image."""
        return -self.log_likelihood(*self._parts(batch)).image.mean()

    @final
    def log_likelihood(self, images: Tensor, labels: Tensor | None = None) -> LogLikelihood:
        """Exact log-likelihoods in nats; given labels, those of a conditional model for these labels."""
        parts = in_parts(images, max(1, LOGITS_AT_ONCE // (self.levels * math.prod(images.shape[1:]))))
        if labels is None and self.classes is not None:
            densities = [self._over_classes(part, self.classes) for part in parts]
        else:
            given = [None] * len(parts) if labels is None else in_parts(labels, len(parts[0]))
            densities = [self._log_density(self._averaged(), *part) for part in zip(parts, given, strict=True)]
        pixel = torch.cat(densities).sum(1, keepdim=True)
        beyond = -self._levels_beyond(images).sum(1, keepdim=True)
        if self.value_range is None:
            pixel = pixel + beyond
            terms = {"likelihood": pixel.flatten(1).sum(1)}
        else:
            terms = {"likelihood": pixel.flatten(1).sum(1), "beyond the range": beyond.flatten(1).sum(1)}
            pixel = pixel + beyond
        return LogLikelihood(torch.stack([*terms.values()]).sum(0), pixel, terms)

    @final
    def sample(self, count: int, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        """Images drawn pixel by pixel; a conditional model's of the classes `labels` (count,), or of all in turn."""
        channels, height, _ = self.require_built()
        if self.classes is not None and labels is None:
            labels = torch.arange(count) % self.classes
        return self._drawn(torch.empty(count, channels, height, 0, device=self.device), seed, labels)

    @final
    def continued(self, start: Tensor, seed: int = 0) -> Tensor:
        """Windows that begin with these steps, which are rounded to levels to draw the others one by one."""
        return torch.cat([start, self._drawn(start, seed)[..., start.shape[3] :]], dim=3)

    def _drawn(self, start: Tensor, seed: int, labels: Tensor | None = None) -> Tensor:
        """Images whose first columns are given; more than one row has none given."""
        count, (channels, height, width) = len(start), self.require_built()
        given = start if self.value_range is None else self.value_range.to_unit(start)
        given = from_levels(to_levels(given, self.levels), self.levels, start.dtype)
        uniforms = torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(seed))
        network = self._averaged()
        parts = []
        for first in range(0, count, SAMPLES_AT_ONCE):
            chosen = slice(first, first + SAMPLES_AT_ONCE)
            some = uniforms[chosen].to(self.device)
            condition = self._condition(None if labels is None else labels[chosen], some)
            predictions = network.incremental(len(some), height, width, *condition)
            parts.append(draw(predictions, some, self.levels, given[chosen]))
        drawn = torch.cat(parts)
        return drawn if self.value_range is None else self.value_range.from_unit(drawn)

    def _over_classes(self, images: Tensor, classes: int) -> Tensor:
        # By the chain rule, each pixel is predicted by all classes, weighted by what earlier pixels say of the class.
        labels = torch.arange(classes)[:, None].expand(-1, images.shape[0])
        densities = [self._log_density(self._averaged(), images, label).sum(1, keepdim=True) for label in labels]
        given_class = torch.stack(densities).flatten(2)
        earlier = given_class.cumsum(2) - given_class
        return (earlier.log_softmax(0) + given_class).logsumexp(0).view_as(densities[0])

    def _log_density(self, network: AutoregressiveNetwork, images: Tensor, labels: Tensor | None = None) -> Tensor:
        levels = to_levels(images if self.value_range is None else self.value_range.to_unit(images), self.levels)
        brightness = from_levels(levels, self.levels, images.dtype)
        logits = at_least_single(network(brightness, *self._condition(labels, images)))
        if self.levels == 2:
            return objectives.bernoulli_log_density(levels.to(logits.dtype), logits[:, 0])
        return objectives.categorical_log_density(levels, logits)

    def _levels_beyond(self, items: Tensor) -> Tensor:
        """How many levels a value lies beyond the range that levels are spread over, elementwise."""
        places = items if self.value_range is None else self.value_range.to_unit(items)
        return (places.abs() - 1).clamp(min=0) * ((self.levels - 1) / 2)

    def _averaged(self) -> AutoregressiveNetwork:
        self.require_built()
        network = self.average.network
        assert isinstance(network, AutoregressiveNetwork)
        return network

    def _parts(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        return batch if isinstance(batch, tuple) else (batch, None)

    def _condition(self, labels: Tensor | None, items: Tensor) -> tuple[Tensor, ...]:
        name = type(self).__name__
        if self.classes is None:
            if labels is not None:
                raise UsageError(f"{name} was not made for labels; give images alone, or set classes where it has them")
            return ()
        if labels is None:
            raise UsageError(f"{name} with classes={self.classes} needs labels; give a tuple (images, labels)")
        count = items.shape[0]
        if labels.shape != (count,) or not bool(((labels >= 0) & (labels < self.classes)).all()):
            raise DataError(f"{name} needs {count} labels of 0 to {self.classes - 1}, one for each image")
        return (labels.to(self.device),)


def _extremes(items: Tensor) -> tuple[Tensor, Tensor]:
    return items.amin((0, 2, 3))[:, None, None], items.amax((0, 2, 3))[:, None, None]


def to_levels(images: Float[Tensor, "*shape"], levels: int) -> Int[Tensor, "*shape"]:
    """The nearest level, 0 to levels - 1, of brightness in [-1, 1]; what lies outside counts as its end."""
    return ((images + 1) / 2 * (levels - 1)).round().clamp(0, levels - 1).long()


def from_levels(
    indices: Int[Tensor, "*shape"] | Bool[Tensor, "*shape"], levels: int, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "*shape"]:
    """Brightness in [-1, 1] of levels; two may be False and True."""
    return indices.to(dtype) * (2 / (levels - 1)) - 1


@torch.no_grad()
def draw(
    predictions: Incremental, uniforms: Float[Tensor, "n c h w"], levels: int, given: Float[Tensor, "n c h k"]
) -> Float[Tensor, "n c h w"]:
    """Images in [-1, 1] whose levels are the quantiles of their predictions at `uniforms` in [0, 1).

    The first columns are those `given`, of which there may be none.
    """
    images = torch.zeros_like(uniforms)
    _, channels, _, width = uniforms.shape
    # Views of single pixels, made together: what is drawn stays in the image.
    pixels = zip(images.flatten(2).unbind(2), uniforms.flatten(2).unbind(2), strict=True)
    for place, (values, chances) in enumerate(pixels):
        row, column = divmod(place, width)
        if column < given.shape[3]:
            values.copy_(given[:, :, row, column])
            predictions.logits(row, column, values)  # which layers keep for the pixels that follow
            predictions.set(row, column, values)
            continue
        for channel in range(channels):
            logits = predictions.logits(row, column, values)[..., channel].float()
            values[:, channel] = from_levels(_quantiles(logits, chances[:, channel], levels), levels)
        predictions.set(row, column, values)
    return images


def _quantiles(
    logits: Float[Tensor, "n k"], chances: Float[Tensor, " n"], levels: int
) -> Int[Tensor, " n"] | Bool[Tensor, " n"]:
    """The level of each item, (n,), up to which its distribution holds this chance."""
    if levels == 2:
        return chances >= logits[:, 0].neg().sigmoid_()
    return (chances[:, None] >= logits.softmax(1).cumsum(1)[:, :-1]).sum(1)

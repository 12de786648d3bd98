"""The contract of everything that is trained: networks, their optimisers, and one training step."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, final

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer, RMSprop

from hizumi.arguments import Configurable, check_arguments
from hizumi.data.stream import Batches, as_source
from hizumi.errors import DataError, NotFittedError
from hizumi.training.card import Card
from hizumi.training.clock import Clock
from hizumi.training.labels import checked_labels
from hizumi.training.optimisers import Optimisers
from hizumi.training.options import Budget, TrainingOptions, options_given
from hizumi.training.preset import Preset

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Schedule = Callable[[float], float]
"""Learning-rate factor as a function of the share of the budget that is spent."""


def constant(progress: float) -> float:
    """Keep the learning rate constant."""
    return 1.0


def drop_at(share: float, factor: float = 0.1) -> Schedule:
    """Multiply the learning rate by `factor` once `share` of the budget is spent."""
    return partial(_dropped_at, share, factor)


def linear_to_zero(start: float = 0.0) -> Schedule:
    """Keep the learning rate for a share `start` of the budget, then decay it linearly to 0."""
    return partial(_fallen_from, start)


def _dropped_at(share: float, factor: float, progress: float) -> float:
    return 1.0 if progress < share else factor


def _fallen_from(start: float, progress: float) -> float:
    return min(1.0, (1 - progress) / (1 - start))


def cosine_to_zero(progress: float) -> float:
    """Decay the learning rate to 0 along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * progress))


class Trainable(nn.Module, ABC, metaclass=Configurable):
    """One trainable system. `step` is the paper's algorithm box; nothing else in the project knows it.

    The constructor stores its arguments under their own names and does nothing else that can fail; `build` makes
    what depends on the shape of the data, (c, h, w) for images and (d,) for vectors.
    """

    card: ClassVar[Card]
    default_budget: ClassVar[Budget]
    default_batch_size: ClassVar[int] = 64
    presets: ClassVar[Mapping[str, Preset]] = {}
    exemptions: ClassVar[Mapping[str, str]] = {}  # contract checks that it cannot meet, each with the reason

    shape: tuple[int, ...] | None
    preparations: int  # times that it was built anew, by a fit of its own or of something that it is a part of
    optimisers: Optimisers
    clock: Clock
    held_out_share: float  # of the training data, which no step and only `finish` sees; `build` may set it

    def __init__(self) -> None:
        super().__init__()
        self.shape = None
        self.preparations = 0
        self.held_out_share = 0.0
        self.clock = Clock()
        self.optimisers = Optimisers()
        self._schedules: dict[str, Schedule] = {}
        self._clips: dict[str, float | None] = {}

    @final
    @property
    def steps_done(self) -> int:
        """Completed training steps."""
        return self.clock.steps_done

    @final
    @property
    def images_seen(self) -> int:
        """Items trained on so far, by all processes together; saved with the state, and 0 before the first fit."""
        return self.clock.images_seen

    @final
    @property
    def progress(self) -> float:
        """Share of the training budget that is spent."""
        return self.clock.progress

    @final
    @property
    def fabric(self) -> "Fabric | None":
        """Devices and processes; None while the model is not being trained."""
        return self.clock.fabric

    @final
    @property
    def device(self) -> torch.device:
        """Device of the parameters and buffers; the CPU where there are none yet."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    @abstractmethod
    def build(self, shape: tuple[int, ...]) -> None:
        """Make the networks for data of this shape and register their optimisers with `optimise`."""

    def check(self) -> None:
        """Raise UsageError where arguments that are valid one by one contradict each other."""

    @abstractmethod
    def step(self, batch: Any) -> dict[str, Tensor]:
        """Take one optimisation step on a batch; return its losses, detached scalars on the model's device."""

    def begin(self, batches: Batches) -> None:
        """See all training data once, before the first step; estimates made here belong in buffers."""

    def finish(self, batches: Batches) -> None:
        """See the share held out of the training data after the last step; called where there is one.

        It may be called more than once, so it must depend on the weights alone.
        """

    def validation_loss(self, batch: Any) -> Tensor | None:
        """Loss on held-out normal data, for early stopping; None where the method has none."""
        return None

    @final
    def prepare(self, shape: tuple[int, ...]) -> Self:
        """Discard any earlier fit and rebuild for data of this shape."""
        self.card.check_shape(shape, type(self).__name__)
        self.optimisers, self._schedules, self._clips = Optimisers(), {}, {}
        self.clock = Clock()
        self.preparations += 1
        self.shape = tuple(shape)
        self.build(self.shape)
        return self

    @final
    def wrap(self, model: "Trainable", shape: tuple[int, ...]) -> None:
        """Build a model whose `step` this one calls; the two share one clock and one set of optimisers."""
        self.optimisers = model.prepare(shape).optimisers
        model.clock = self.clock

    @final
    def fit(self, images: Any, options: TrainingOptions | None = None) -> Self:
        """Train on images (n, c, h, w) in [-1, 1] or vectors (n, d): a tensor, or any source of batches.

        Models whose card needs labels or pairs take a tuple of tensors: (images, labels) or (inputs, targets); those
        that need two sets take both, of any lengths.
        """
        from hizumi.data.pairs import Unpaired
        from hizumi.training.loop import fit

        check_arguments(self)
        images = self._checked_parts(images)
        name = type(self).__name__
        if "two sets" in self.card.needs and isinstance(images, tuple):
            images = Unpaired(*(as_source(part, name) for part in images))
        fit([self], as_source(images, name), options_given(options, name))
        return self

    def _checked_parts(self, images: Any) -> Any:
        """What was given, labels as integers; raises an error for a tuple where items alone are due, or the reverse."""
        name, parts, together = type(self).__name__, self.card.parts, isinstance(images, tuple)
        takes_labels = "labels" in self.card.needs or hasattr(self, "classes")  # which says what to do with them
        if parts and not together and not callable(getattr(images, "batch", None)):
            raise DataError(f"{name} does not learn from items alone; give a tuple {parts}")
        if not together:
            return images
        if not parts and not takes_labels:
            raise DataError(f"{name} learns from items alone; give no tuple")
        if len(images) != 2:
            raise DataError(f"{name} was given a tuple of {len(images)}; give two, {parts or '(items, labels)'}")
        return (images[0], checked_labels(images[1], name)) if takes_labels else images

    @final
    def optimise(
        self,
        name: str,
        parameters: Iterable[nn.Parameter],
        *,
        learning_rate: float,
        kind: Literal["adam", "rmsprop", "sgd"] = "adam",
        betas: tuple[float, float] = (0.9, 0.999),
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        schedule: Schedule = constant,
        clip_norm: float | None = None,
    ) -> None:
        """Register the optimiser that `update(name, loss)` will step.

        `betas` are Adam's, `momentum` is for the others. `clip_norm` limits the norm of all gradients together.
        """
        parameters = list(parameters)
        make: Callable[[], Optimizer]
        match kind:
            case "adam":
                make = partial(Adam, parameters, learning_rate, betas, weight_decay=weight_decay)
            case "rmsprop":
                make = partial(RMSprop, parameters, learning_rate, momentum=momentum, weight_decay=weight_decay)
            case "sgd":
                make = partial(SGD, parameters, learning_rate, momentum, weight_decay=weight_decay)
        self.optimisers.register(name, make)
        self._schedules[name], self._clips[name] = schedule, clip_norm

    @final
    def update(self, name: str, loss: Tensor, *, keep_graph: bool = False) -> Tensor:
        """Step one optimiser down `loss`; no other network receives a gradient.

        `keep_graph` lets a later loss backpropagate through passes that it shares with this one. With accumulation,
        gradients are averaged over as many calls as a step has batches, and the optimiser steps at the last of them.
        """
        optimiser = self.optimisers[name]
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        position = self.clock.updates[name] % self.clock.accumulation
        self.clock.updates[name] += 1
        if position == 0:
            optimiser.zero_grad(set_to_none=True)
        share = loss if self.clock.accumulation == 1 else loss / self.clock.accumulation
        share.backward(inputs=parameters, retain_graph=keep_graph)  # type: ignore[no-untyped-call]  # torch has no types here
        if position < self.clock.accumulation - 1:
            return loss.detach()
        self._average_over_processes([p.grad for p in parameters if p.grad is not None])
        if (longest := self._clips[name]) is not None:
            nn.utils.clip_grad_norm_(parameters, longest)
        for group in optimiser.param_groups:
            group["lr"] = optimiser.defaults["lr"] * self._schedules[name](self.progress)
        optimiser.step()
        return loss.detach()

    @final
    def synchronise_buffers(self) -> None:
        """Average floating-point buffers, such as batch-norm statistics, over all processes."""
        if self.fabric is not None and self.fabric.world_size > 1:
            self._average_over_processes([buffer for buffer in self.buffers() if buffer.is_floating_point()])

    @final
    def require_built(self) -> tuple[int, ...]:
        """The shape this model was built for; raises NotFittedError before that."""
        if self.shape is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit first")
        return self.shape

    @final
    def mean_over_processes(self, value: Tensor) -> Tensor:
        """Mean of a value over all processes, on which they can base a common decision."""
        mean = value.detach().clone()
        self._average_over_processes([mean])
        return mean

    @final
    def from_all_processes(self, rows: Tensor) -> Tensor:
        """Rows of all processes, equally many from each, in the same order everywhere."""
        if self.fabric is None or self.fabric.world_size == 1:
            return rows
        gathered = self.fabric.all_gather(rows)
        assert isinstance(gathered, Tensor)
        return gathered.flatten(0, 1)

    @final
    def own_part(self, rows: Tensor) -> Tensor:
        """This process's share of the rows that `from_all_processes` gathered."""
        return rows if self.fabric is None else rows.chunk(self.fabric.world_size)[self.fabric.global_rank]

    # The clock's number is a tensor in state dictionaries.
    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}images_seen"] = torch.tensor(self.images_seen)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        *_, missing_keys, _, _ = others
        if (key := f"{prefix}images_seen") in state_dict:
            self.clock.images_seen = int(state_dict.pop(key))
        else:
            missing_keys.append(key)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def _average_over_processes(self, tensors: list[Tensor]) -> None:
        # One message for all tensors: over a network, latency costs more than length.
        if self.fabric is None or self.fabric.world_size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        averaged = self.fabric.all_reduce(flat, reduce_op="mean")
        assert isinstance(averaged, Tensor)
        for tensor, part in zip(tensors, torch.split(averaged, [t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

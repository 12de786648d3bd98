"""The contract every anomaly detector keeps: fit on normal data, then score anything."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, final

import torch
from torch import Tensor, nn

from hizumi.arguments import Configurable, PositiveInt, all_parts_of, check_arguments, check_value, parts_of
from hizumi.data.guard import as_computed, checked_items, is_trusted, trusted
from hizumi.data.progress import Observer
from hizumi.data.scaling import ROUNDING
from hizumi.data.seeds import seed_for
from hizumi.data.sizing import Sizing
from hizumi.data.stream import Batches, FewerViews, TensorSource, View, as_source, dealt, in_order
from hizumi.data.variation import as_photographed
from hizumi.detectors.batch_statistics import BatchNormMode
from hizumi.detectors.readiness import Ready
from hizumi.detectors.shard import sharded_over
from hizumi.detectors.statistics_reading import estimated
from hizumi.detectors.view import positions_on
from hizumi.errors import DataError, NotFittedError, UsageError
from hizumi.networks.kernels import kernels_that_fail_well, single_precision_on
from hizumi.networks.precision import has_double_precision
from hizumi.objectives import absolute_difference
from hizumi.training import loop
from hizumi.training.card import Card
from hizumi.training.journal import Journal
from hizumi.training.options import Precision, TrainingOptions, options_given
from hizumi.training.preset import Preset
from hizumi.training.randomness import own_random_numbers
from hizumi.training.torch_settings import usual_torch
from hizumi.training.trainable import Trainable
from hizumi.words import counted

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Anomaly(NamedTuple):
    """Scores of a batch; higher always means more anomalous."""

    image: Tensor  # (n,)
    pixel: Tensor | None = None  # (n, 1, h, w), None where the method cannot localise
    terms: dict[str, Tensor] = {}
    normal: Tensor | None = None  # (n, *shape): the normal item to compare with, which may be one for all: a mean
    reconstruction: Tensor | None = None  # (n, *shape): this item as the model rebuilds it

    @property
    def expected(self) -> Tensor | None:
        """What normal would look like, (n, *shape): `normal`, else the reconstruction; None where there is neither."""
        return self.reconstruction if self.normal is None else self.normal


def residual_map(images: Tensor, rebuilt: Tensor) -> Tensor | None:
    """Channel mean of |x - x'|, (n, 1, h, w); None for vectors."""
    return absolute_difference(images, rebuilt) if images.ndim == 4 else None


class Detector(nn.Module, ABC, metaclass=Configurable):
    """An anomaly detector. One file, one subclass: models to train, `fit_statistics` to estimate, `score_batch`.

    The constructor stores its arguments under their own names and does nothing else that can fail. Everything fitted
    is a parameter or a buffer, declared a Tensor although it is None before: nothing is scored before a fit. Vectors
    are standardised here, once, by the training data's mean and deviation.
    """

    card: ClassVar[Card]
    presets: ClassVar[Mapping[str, Preset]] = {}  # "fast" where there is something to train
    working_size: int = 64  # pixels: the side of a tile, and of a square of as many pixels as other images have
    most_crops: ClassVar[int | None] = (
        None  # of tiled images, for statistics, and a share of it for reference; None: all
    )
    exemptions: ClassVar[Mapping[str, str]] = {}  # contract checks that it cannot meet, each with the reason
    tolerance: ClassVar[float] = 1e-6  # by which an image's score may differ in another batch, relative to the scores
    tolerance_in_bf16: ClassVar[float] = 0.01  # likewise, where convolutions keep 8 significant bits

    remembers: ClassVar[bool] = False  # items that it was fitted on, which therefore score lower than others do
    follows_chi_square: ClassVar[bool] = False  # scores of Gaussian data do, with `degrees_of_freedom`

    shape: tuple[int, ...] | None
    preparations: int  # times that it was built anew, by a fit of its own or of a detector that it is a part of
    bn_mode: BatchNormMode = "eval"  # how batch norm normalises while scoring
    reference_share: float  # of the normal data, which nothing is trained on and `fit_reference` sees
    degrees_of_freedom: int | None  # of the chi-square law that normal scores follow, None where they follow none
    journal: Journal  # of the last fit; empty for a detector that was loaded
    vector_mean: Tensor | None  # (d,), in double precision, but for bundles of earlier versions
    vector_scale: Tensor | None
    seen: Tensor | None  # (h, w), True where the region of interest lies in every image alike; None: it is not known

    def __init__(self) -> None:
        super().__init__()
        self.shape = None
        self.reference_share = 0.0
        self.degrees_of_freedom = None
        self.journal = Journal()
        self.register_buffer("vector_mean", None)
        self.register_buffer("vector_scale", None)
        self.register_buffer("seen", None)
        self.preparations = 0
        self._preparations_of_parts: list[int] = []
        self._seen_positions: dict[tuple[int, int], Tensor] = {}
        self._ready_copies = Ready[Detector]()

    def check(self) -> None:
        """Raise UsageError where arguments, each of which is fine by itself, do not go together."""

    def check_items(self, shape: tuple[int, ...]) -> None:
        """Raise DataError where arguments do not go with items of this shape; called before anything is trained."""

    def build(self, shape: tuple[int, ...]) -> None:
        """Make what depends on the shape of the data, (c, h, w) or (d,), after the parts among the arguments."""

    def phases(self) -> Sequence[Trainable]:
        """The models to train, in order: those among the arguments, each after the models among its own arguments."""
        return tuple(_models_in(self))

    def fit_statistics(self, batches: Batches) -> None:
        """Estimate what is left after training, from one or more passes over the training data."""

    def fit_reference(self, batches: Batches) -> None:
        """Estimate what needs normal data that nothing before has seen; called where `reference_share` is above 0."""

    @abstractmethod
    def score_batch(self, images: Tensor) -> Anomaly:
        """Score one batch; each image's score depends on that image alone."""

    @final
    def in_view(self, values: Tensor, grid: tuple[int, int]) -> Tensor:
        """Values (n, places, ...) of maps on a grid of rows and columns, of the places that see the region alone.

        A score that is the largest value of a map is taken over these; without a region, over all. Places are the
        grid's positions, or those of several pictures, one after another.
        """
        if self.seen is None:
            return values
        if grid not in self._seen_positions:  # kept, since a graph has no operation that finds them
            self._seen_positions[grid] = positions_on(self.seen, grid)
        seen, positions = self._seen_positions[grid].to(values.device), grid[0] * grid[1]
        firsts = torch.arange(0, values.shape[1], positions, device=values.device)
        return values[:, (firsts[:, None] + seen).flatten()]

    def working_sizing(self, height: int, width: int) -> Sizing:
        """How images of this size, in pixels, are brought to the one worked on, unless the user says otherwise."""
        return Sizing.by_pixels(height, width, self.working_size)

    def shape_within(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what the detectors among the arguments are given, where the data have this shape."""
        return shape

    def embedding(self, images: Tensor) -> Tensor:
        """What the detector sees of each image, (n, k), for drawing the data as a map of points."""
        return images.flatten(1)

    def contribution_batch(self, images: Tensor) -> Tensor | None:
        """What each number of an item adds to its score, (n, *shape), none below 0; None where it is no sum of such."""
        return None

    @final
    def prepare(self, shape: tuple[int, ...]) -> Self:
        """Build everything, untrained, for data of this shape: what loading a saved detector starts from."""
        self.card.check_shape(shape, type(self).__name__)
        with own_random_numbers():
            for phase in self.phases():
                phase.prepare(shape)
            _build(self, tuple(shape))
        self.mark_fitted(shape)
        return self.eval()

    @final
    def fit(
        self,
        images: Any,
        options: TrainingOptions | None = None,
        *,
        validation: Any = None,
        run_folder: str | Path | None = None,
        observe: Observer | None = None,
        fabric: "Fabric | None" = None,
        seen: Any = None,
    ) -> Self:
        """Fit on normal images (n, c, h, w) in [-1, 1] or vectors (n, d): a tensor, or any source of batches.

        Args:
            images: Normal data only.
            options: Budget, batch size, seed, precision and devices; the method's own where not given.
            validation: Held-out normal data for early stopping, where the budget has `patience`.
            run_folder: Where checkpoints and the journal go; a run that finds some there resumes from them.
            observe: Called with the record of every step.
            fabric: A launched Fabric, made from the options where not given. The detector stays on its device, on the
                CPU where that has no double precision.
            seen: Where the region of interest lies in every image alike, (h, w), True; None: all of each is looked at,
                or the region lies elsewhere in each.
        """
        check_arguments(self)
        called = type(self).__name__
        options = options_given(options, called)
        source = self._source(images)
        self.card.check_shape(source.shape, called)
        self.check_items(source.shape)
        region = None if seen is None else _region(seen, source.shape, called)
        self.shape = None  # not fitted until everything below has succeeded
        self._look_at(region)
        fabric = fabric or loop.launched(options)
        with trusted(), own_random_numbers(), usual_torch(gradients=True), sharded_over(fabric):
            torch.manual_seed(seed_for("statistics", options.seed))
            source = self._standardised(source)
            training, reference = self._dealt(source, options.seed)
            self.journal = loop.fit(
                self.phases(),
                training,
                options,
                validation=None if validation is None else View(self._source(validation), function=self._standardise),
                run_folder=run_folder,
                observe=observe,
                fabric=fabric,
            )
            # Statistics and many scores are computed in double precision.
            device = fabric.device if has_double_precision(fabric.device) else torch.device("cpu")
            _build(self.to(device), source.shape)
            self.to(device).eval()
            estimated(lambda: self._take_statistics(training, reference, device), called, source, fabric)
        self.to(device)
        self.mark_fitted(source.shape)
        return self

    @final
    def mark_fitted(self, shape: tuple[int, ...]) -> None:
        """Say that it can score items of this shape, as its parts are now: a later fit of one of them is noticed."""
        self.shape = tuple(shape)
        self._preparations_of_parts = self._counted_preparations()

    def forward(self, items: Any) -> Anomaly:
        """Scores of one batch of images (n, c, h, w) in [-1, 1] or vectors (n, d), by the module as it stands."""
        items = self._checked(items).to(self._device())
        with trusted():
            anomaly = self.score_batch(self._standardise(items))
        if not isinstance(anomaly, Anomaly):
            raise UsageError(
                f"{type(self).__name__}.score_batch gave a {type(anomaly).__name__}; it must give an Anomaly"
            )
        return self._in_own_units(anomaly, items.dtype)

    @final
    @usual_torch(gradients=False)
    def score(self, images: Any, batch_size: PositiveInt = 64, precision: Precision = "32-true") -> Anomaly:
        """Scores of images (n, c, h, w) in [-1, 1] or vectors (n, d); leaves weights and random state alone.

        With "bf16-mixed" convolutions keep 8 significant bits, which is faster and moves scores a little: calibrate
        in the precision that is then used. Raises DataError where images are no numbers near [-1, 1], hold NaN, or
        have another shape than those of the fit.
        """
        images = self._checked(images)
        check_value(PositiveInt, batch_size, f"{type(self).__name__}.score: batch_size")
        check_value(Precision, precision, f"{type(self).__name__}.score: precision")
        ready = self.eval()._ready(precision)
        with trusted(), kernels_that_fail_well(), single_precision_on(self._device()):
            return _join([ready._score_chunk(chunk) for chunk in torch.split(images, int(batch_size))])

    @final
    @usual_torch(gradients=False)
    def embed(self, images: Any) -> Tensor:
        """`embedding` of images (n, c, h, w) or vectors (n, d), in evaluation mode."""
        images = self.eval()._checked(images).to(self._device())
        with trusted(), single_precision_on(images.device):
            return self.embedding(self._standardise(images))

    @final
    @usual_torch(gradients=False)
    def contributions(self, images: Any) -> Tensor | None:
        """Shares of the score of images (n, c, h, w), windows (n, c, 1, t) or vectors (n, d), which add up to it.

        They say which sensor, step or column makes an item anomalous; None where the score has no such shares.
        """
        images = self.eval()._checked(images).to(self._device())
        with trusted(), single_precision_on(images.device):
            return self.contribution_batch(self._standardise(images))

    def _source(self, items: Any) -> Batches:
        """As `as_source`; rows keep the precision in which they are given, since they are yet to be standardised."""
        called = type(self).__name__
        if isinstance(items, tuple) and all(getattr(phase, "classes", None) is None for phase in self.phases()):
            raise DataError(f"{called} learns from items alone; give no tuple")
        if isinstance(items, tuple) or callable(getattr(items, "batch", None)):
            return as_source(items, called)
        checked = checked_items(items, called)
        return TensorSource(checked if checked.ndim == 2 else checked.float())

    def _checked(self, items: Any) -> Tensor:
        if self.shape is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit first")
        if is_trusted():
            return items
        if self._preparations_of_parts != self._counted_preparations():
            raise NotFittedError(
                f"another fit has taken over a part of this {type(self).__name__}; give each detector parts of its "
                "own, and fit this one again"
            )
        checked = checked_items(items, type(self).__name__, self.shape)
        computed = as_computed(checked, self)
        # Rows keep all their digits until they are standardised: time stamps are no numbers of single precision.
        return computed if self.vector_mean is None else checked

    def _counted_preparations(self) -> list[int]:
        return [self.preparations, *(part.preparations for _, part in all_parts_of(self))]

    def _ready(self, precision: Precision) -> "Detector":
        batch_statistics = any(isinstance(part, Detector) and part.bn_mode == "batch" for part in self.modules())
        return self if batch_statistics else self._ready_copies.copy_of(self, precision)

    def _score_chunk(self, images: Tensor) -> Anomaly:
        anomaly = self.forward(images.to(self._device()))
        if anomaly.image.shape != (len(images),):
            raise UsageError(
                f"{type(self).__name__}.score_batch gave scores of shape {tuple(anomaly.image.shape)} for "
                f"{counted(len(images), 'item')}; it must give one each, (n,)"
            )
        return anomaly

    def _look_at(self, seen: Tensor | None) -> None:
        """Here, and in all detectors within."""
        for part in self.modules():
            if isinstance(part, Detector):
                part.seen = None if seen is None else seen.clone()
                part._seen_positions.clear()

    def _device(self) -> torch.device:
        return next((tensor.device for tensor in (*self.parameters(), *self.buffers())), torch.device("cpu"))

    def _dealt(self, source: Batches, seed: int) -> tuple[Batches, Batches | None]:
        """The data to train on, and the reference data held out of them."""
        if self.reference_share == 0:
            return source, None
        if len(source) < 2:
            raise DataError(
                f"one normal item is too few for {type(self).__name__}, which holds some out as reference; give more"
            )
        held_out = min(max(1, round(self.reference_share * len(source))), len(source) - 1)
        training, reference = dealt(source, held_out, seed_for("reference", seed))
        return training, View(as_photographed(source), indices=reference.indices)

    def _standardised(self, source: Batches) -> Batches:
        self.vector_mean = self.vector_scale = None
        if len(source.shape) != 1:
            return source
        rows = torch.cat(list(in_order(source))).double()
        largest = rows.abs().amax(0).clamp(min=torch.finfo(rows.dtype).tiny)
        relative = (rows / largest).std(dim=0, correction=0)  # squares of the smallest numbers are 0
        varies, deviation = relative > ROUNDING, relative * largest
        too_small = varies & (deviation < torch.finfo(torch.float32).tiny)
        if too_small.any():
            place = int(too_small.nonzero()[0])
            raise DataError(
                f"column {place + 1} given to {type(self).__name__} varies by {float(deviation[place]):.2g}, which "
                "single precision cannot hold; give it in a smaller unit"
            )
        self.vector_mean = rows.mean(dim=0)
        # A column that never varied keeps its own unit: any change in it stays visible.
        self.vector_scale = torch.where(varies, deviation, 1.0).float()
        return View(source, function=self._standardise)

    @torch.no_grad()
    def _take_statistics(self, training: Batches, reference: Batches | None, device: torch.device) -> None:
        def read(source: Batches, share: float = 1.0) -> View:
            fewer = source if self.most_crops is None else FewerViews(source, round(share * self.most_crops))
            return View(fewer, function=lambda batch: batch.to(device))

        with single_precision_on(device):
            self.fit_statistics(read(training))
            self.to(device)  # buffers that it has just made
            if reference is not None:
                self.fit_reference(read(reference, self.reference_share))

    def _standardise(self, items: Tensor) -> Tensor:
        if self.vector_mean is None or self.vector_scale is None:
            return items
        centred = (items - self.vector_mean.to(items.device)).to(self.vector_scale.dtype)
        return centred / self.vector_scale.to(items.device)

    def _in_own_units(self, anomaly: Anomaly, dtype: torch.dtype) -> Anomaly:
        """With items that are shown beside those that were given, in the units of these."""
        mean, scale = self.vector_mean, self.vector_scale
        if mean is None or scale is None:
            return anomaly

        def unstandardised(shown: Tensor | None) -> Tensor | None:
            return None if shown is None else (shown * scale + mean).to(dtype)

        return anomaly._replace(
            normal=unstandardised(anomaly.normal), reconstruction=unstandardised(anomaly.reconstruction)
        )


def _region(seen: Any, shape: tuple[int, ...], called: str) -> Tensor:
    """Where to look, (h, w), as for `Detector.fit`."""
    region = torch.as_tensor(seen).bool()
    if region.shape != shape[1:] or not region.any():
        size = "x".join(map(str, shape))
        raise DataError(
            f"{called}: seen is {'True nowhere' if not region.any() else f'of shape {tuple(region.shape)}'}, and items "
            f"are of {size}; give (h, w) of an image, True where to look"
        )
    return region


def _build(detector: Detector, shape: tuple[int, ...]) -> None:
    """Build the detectors among the arguments of a detector, then itself."""
    detector.check_items(shape)
    detector.preparations += 1
    for _, part in parts_of(detector):
        if isinstance(part, Detector):
            part.shape = detector.shape_within(shape)
            part.card.check_shape(part.shape, type(part).__name__)
            _build(part, part.shape)
    detector.build(shape)


def _models_in(part: Any) -> Iterator[Trainable]:
    for _, inner in parts_of(part):
        if isinstance(inner, Detector):
            yield from inner.phases()
        else:
            yield from _models_in(inner)
            yield inner


def _join(parts: list[Anomaly]) -> Anomaly:
    def together(tensors: list[Tensor | None]) -> Tensor | None:
        present = [tensor for tensor in tensors if tensor is not None]
        return torch.cat(present) if present else None

    return Anomaly(
        torch.cat([part.image for part in parts]),
        together([part.pixel for part in parts]),
        {term: torch.cat([part.terms[term] for part in parts]) for term in parts[0].terms},
        together([part.normal for part in parts]),
        together([part.reconstruction for part in parts]),
    )

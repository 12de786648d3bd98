"""From a user's data to the batches that a model learns from: items, with labels or counterparts as it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from hizumi.arguments import clone
from hizumi.data import Manifest, Sizing, Store
from hizumi.data.pairs import PAIRINGS, Pairing, ReadyMade, SideBySide, SuperResolve, Unpaired, paired
from hizumi.data.series.options import SeriesOptions
from hizumi.data.stream import Batches, TensorSource, Together, View
from hizumi.errors import DataError, UsageError
from hizumi.generation.examples import (
    classes_of,
    labels_of,
    open_examples,
    split_in_two,
    to_learn_from,
    with_classes_only,
)
from hizumi.models.abilities import HasTargetChannels, LearnsClasses
from hizumi.preprocessing import DataOptions, Preprocessing, prepare
from hizumi.preprocessing.choosing import ByPixels, choose_sizing, choose_window, read, usual_size
from hizumi.training import Trainable

WORKING_SIZE = ByPixels(64)  # unless the user says otherwise
SIDE_BY_SIDE = "side-by-side"
ANY_IMAGE, ANY_WINDOW = (1, 2, 2), (1, 1, 2)  # shapes that stand for all of their kind


@dataclass(frozen=True, eq=False)
class TrainingData:
    """`batches` for the loop; `items` are their first tensors alone, in the store's order."""

    store: Store
    batches: Batches
    items: Batches
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()


def training_data_for(
    model: Trainable,
    X: Any,
    y: Any,
    options: DataOptions,
    pairing: str | Pairing | None,
    series: SeriesOptions | bool = False,
) -> tuple[Trainable, TrainingData]:
    """Read the data; the model comes back with as many classes and target channels as they have."""
    needs = model.card.needs
    series = series or (isinstance(X, Manifest) and X.series is not None)
    if series:
        refuse_series_for(model, y)
    if "pairs" in needs or "two sets" in needs:
        data = counterparts(X, y, options, pairing, in_pairs="pairs" in needs)
        target = data.preprocessing.target
        if isinstance(model, HasTargetChannels) and target and target.channels != data.preprocessing.channels:
            return clone(model, target_channels=target.channels), data
        return model, data
    if pairing is not None:
        raise UsageError(f"{type(model).__name__} learns from images alone, not from pairs; leave the pairing out")
    labelled = isinstance(model, LearnsClasses) and ("labels" in needs or model.classes is not None)
    if y is not None and (not labelled or isinstance(y, str | Path | Manifest)):
        raise UsageError(f"{type(model).__name__} does not learn what things turn into; leave the second data out")
    manifest = to_learn_from(open_examples(X, y, series=series))
    classes: tuple[str, ...] = ()
    if labelled:
        manifest = with_classes_only(manifest)
        classes = _classes_for(model, manifest)
        model = clone(model, classes=len(classes))
    model.card.check_shape(_any_shape(manifest), type(model).__name__)
    preprocessing, store = prepare(manifest, options, WORKING_SIZE)
    if not labelled:
        return model, TrainingData(store, store, store, preprocessing)
    batches = Together(store, TensorSource(labels_of(store, classes)))
    return model, TrainingData(store, batches, store, preprocessing, classes)


def _any_shape(manifest: Manifest) -> tuple[int, ...]:
    if manifest.series is not None:
        return ANY_WINDOW
    return (1,) if manifest.vectors else ANY_IMAGE


def refuse_series_for(model: Trainable, y: Any = None) -> None:
    """Raise DataError, or UsageError for classes, where a model does not learn from windows of series."""
    name = type(model).__name__
    model.card.check_shape(ANY_WINDOW, name)
    if y is not None or (isinstance(model, LearnsClasses) and ("labels" in model.card.needs or model.classes)):
        raise UsageError(f"{name} is to learn classes, of which series have none; train a model without classes")


def _classes_for(model: Trainable, manifest: Manifest) -> tuple[str, ...]:
    classes = classes_of(manifest)
    if len(classes) < 2:
        raise DataError(
            f"{manifest.name}: names no classes for {type(model).__name__} to learn; "
            "put images into one folder a class, or give a table with a column label"
        )
    return classes


def made_pairing(name: str | None, settings: Mapping[str, str]) -> str | Pairing | None:
    """A ready-made pairing by name, with settings in words."""
    if name is None or name == SIDE_BY_SIDE:
        if settings:
            raise UsageError(f"there is no pairing to set {', '.join(settings)} of; name one of {', '.join(PAIRINGS)}")
        return name
    if name not in PAIRINGS:
        raise UsageError(f"no pairing is called {name!r}; there are {', '.join([*PAIRINGS, SIDE_BY_SIDE])}")
    known = [field.name for field in fields(PAIRINGS[name])]
    arguments: dict[str, Any] = {}
    for key, text in settings.items():
        if key not in known:
            raise UsageError(f"{name} has no setting {key!r}; it has {', '.join(known) or 'none'}")
        try:
            arguments[key] = int(text) if text.lstrip("-").isdecimal() else float(text)
        except ValueError:
            raise UsageError(f"{key}={text} is no number") from None
    return PAIRINGS[name](**arguments)


def counterparts(
    X: Any,
    y: Any,
    options: DataOptions,
    pairing: str | Pairing | None,
    *,
    in_pairs: bool,
    records: Callable[[Manifest], Manifest] = to_learn_from,
    fitted: Preprocessing | None = None,
) -> TrainingData:
    """Images and what they turn into, or two sets of images.

    `records` chooses which records are meant; `fitted` is the preprocessing of a model that is being judged.
    """
    if pairing is not None and (y is not None or not in_pairs):
        raise UsageError("a pairing makes pairs from one set of plain images; leave it or the second data out")
    reading = _Reading(options, records, fitted)
    if pairing == SIDE_BY_SIDE:
        return reading.side_by_side(X)
    if isinstance(pairing, str):
        pairing = made_pairing(pairing, {})
        assert not isinstance(pairing, str), "side by side is no function"
    if pairing is not None:
        return reading.ready_made(X, pairing)
    first, second = split_in_two(X) if y is None else (X, y)
    return reading.two_stores(first, second, in_pairs)


@dataclass(frozen=True)
class _Reading:
    """The ways in which images and their counterparts are read."""

    options: DataOptions
    records: Callable[[Manifest], Manifest]
    fitted: Preprocessing | None

    def ready_made(self, X: Any, pairing: Pairing) -> TrainingData:
        manifest = self._images(X)
        store = self._read(manifest, self._sizing(manifest), is_target=True)
        batches = ReadyMade(store, pairing)
        preprocessing = replace(
            Preprocessing.of(store, store),
            channels=batches.shape[0],
            enlarge=pairing.factor if isinstance(pairing, SuperResolve) else 1,
        )
        return TrainingData(store, batches, View(batches, function=_first), preprocessing)

    def two_stores(self, X: Any, y: Any, in_pairs: bool) -> TrainingData:
        first, second = self._images(X), self._images(y)
        sizing = self._sizing(first)
        store, other = self._read(first, sizing), self._read(second, sizing, is_target=True)
        batches = paired(store, other) if in_pairs else Unpaired(store, other)
        return TrainingData(store, batches, View(batches, function=_first), Preprocessing.of(store, other))

    def side_by_side(self, X: Any) -> TrainingData:
        manifest = self._images(X)
        if self.options.sizing == "tile":
            raise UsageError("tiles would cut through images that lie side by side; use the sizing mode 'resize'")
        if self.options.image_size is None and self.fitted is None:  # that of one half
            height, width = usual_size(manifest)
            half = WORKING_SIZE.working_sizing(height, max(1, width // 2))
        else:
            half = self._sizing(manifest)
        store = self._read(manifest, Sizing(half.height, 2 * half.width), is_target=True)
        batches = SideBySide(store)
        preprocessing = replace(Preprocessing.of(store, store), sizing=half)
        return TrainingData(store, batches, View(batches, function=_first), preprocessing)

    def _images(self, X: Any) -> Manifest:
        manifest = self.records(open_examples(X))
        if manifest.vectors:
            raise DataError(
                f"{manifest.name}: holds rows of numbers; what turns one thing into another learns from images"
            )
        wanted = self.options if self.fitted is None else self.fitted
        return replace(manifest, filling=wanted.filling, pixel_limit=wanted.pixel_limit)

    def _sizing(self, manifest: Manifest) -> Sizing:
        if self.fitted is not None and self.fitted.sizing is not None:
            return self.fitted.sizing
        sizing = choose_sizing(manifest, self.options, WORKING_SIZE)
        assert sizing is not None, "images have a size"
        return sizing

    def _read(self, manifest: Manifest, sizing: Sizing, *, is_target: bool = False) -> Store:
        if self.fitted is None:
            window = choose_window(manifest, self.options.window)
            draft = Preprocessing(
                sizing=sizing,
                window=window,
                filling=self.options.filling,
                pixel_limit=self.options.pixel_limit,
            )
        elif is_target and self.fitted.target is not None:
            target = self.fitted.target
            draft = replace(self.fitted, sizing=sizing, window=target.window, channels=target.channels)
        else:
            draft = replace(self.fitted, sizing=sizing)
        return read(manifest, draft, self.options)


def _first(batch: Any) -> torch.Tensor:
    first: torch.Tensor = batch[0]
    return first

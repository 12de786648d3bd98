"""From a user's data and wishes to the batches that a model learns from: items, with labels or partners as it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch

from hizumi.data import Manifest, Sizing, Store
from hizumi.data.pairs import PAIRINGS, Pairing, ReadyMade, SideBySide, SuperResolve, Unpaired, paired
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
from hizumi.models import LearnsClasses
from hizumi.preprocessing.choosing import choose_sizing, choose_window
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.training import Trainable

WORKING_SIZE = 64  # larger images are brought to it unless the user says otherwise
SIDE_BY_SIDE = "side-by-side"


@dataclass(frozen=True)
class Wishes:
    """How data are to be read: what the user has said, which records are meant, and what an earlier fit has fixed."""

    image_size: int | tuple[int, int] | None
    sizing: Literal["resize", "tile"]
    window: tuple[float, float] | None
    pairing: str | Pairing | None
    cache: Path | None
    strict: bool
    on_progress: Callable[[int, int], None] | None = None
    records: Callable[[Manifest], Manifest] = to_learn_from
    fixed: Preprocessing | None = None


@dataclass(frozen=True, eq=False)
class Lessons:
    """`batches` for the loop; `items` are their first tensors alone, in the store's order."""

    store: Store
    batches: Batches
    items: Batches
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()


def lessons_for(model: Trainable, X: Any, y: Any, wishes: Wishes) -> Lessons:
    """Read the data, and tell the model how many classes and channels they have."""
    needs = model.card.needs
    if "pairs" in needs or "two sets" in needs:
        lessons = in_twos(X, y, wishes, in_pairs="pairs" in needs)
        if (channels := lessons.preprocessing.target_channels) != lessons.preprocessing.channels:
            model.target_channels = channels  # type: ignore[assignment]  # an argument of models with targets
        return lessons
    if wishes.pairing is not None:
        raise UsageError(f"{type(model).__name__} learns from images alone, not from pairs; leave the pairing out")
    labelled = "labels" in needs or (isinstance(model, LearnsClasses) and model.classes is not None)
    if y is not None and (not labelled or isinstance(y, str | Path | Manifest)):
        raise UsageError(f"{type(model).__name__} does not learn what things turn into; leave the second data out")
    manifest = to_learn_from(open_examples(X, y))
    classes: tuple[str, ...] = ()
    if labelled:
        manifest = with_classes_only(manifest)
        classes = _classes_for(model, manifest)
    kind = "vectors" if manifest.vectors else "images"
    if kind not in model.card.inputs:
        raise DataError(f"{type(model).__name__} works on {' and '.join(model.card.inputs)}, not on {kind}")
    store = _store(manifest, wishes)
    preprocessing = Preprocessing.of_rows(store) if store.window is None else _of_images(store, store)
    items = View(store, function=preprocessing.standardised)
    if not labelled:
        return Lessons(store, items, items, preprocessing)
    return Lessons(store, Together(items, TensorSource(labels_of(store, classes))), items, preprocessing, classes)


def _classes_for(model: Trainable, manifest: Manifest) -> tuple[str, ...]:
    classes = classes_of(manifest)
    if len(classes) < 2:
        raise DataError(
            f"{manifest.name}: names no classes for {type(model).__name__} to learn; "
            "put images into one folder a class, or give a table with a column label"
        )
    model.classes = len(classes)  # type: ignore[assignment]  # an argument of models with labels
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


def in_twos(X: Any, y: Any, wishes: Wishes, *, in_pairs: bool) -> Lessons:
    """Images and what they turn into, or two sets."""
    pairing = made_pairing(wishes.pairing, {}) if isinstance(wishes.pairing, str) else wishes.pairing
    if wishes.pairing is not None and (y is not None or not in_pairs):
        raise UsageError("a pairing makes pairs from one set of plain images; leave it or the second data out")
    if wishes.pairing is None and y is None:
        X, y = split_in_two(X)
    if wishes.pairing == SIDE_BY_SIDE:
        return _side_by_side(_pictures(X, wishes), wishes)
    if pairing is None or isinstance(pairing, str):
        return _two_stores(_pictures(X, wishes), _pictures(y, wishes), wishes, in_pairs)
    store = _store(_pictures(X, wishes), wishes, target=True)
    batches = ReadyMade(store, pairing)
    made = replace(
        _of_images(store, store),
        channels=batches.shape[0],
        enlarge=pairing.factor if isinstance(pairing, SuperResolve) else 1,
    )
    return Lessons(store, batches, View(batches, function=_first), made)


def _two_stores(first: Manifest, second: Manifest, wishes: Wishes, in_pairs: bool) -> Lessons:
    sizing = _chosen_sizing(first, wishes)
    store, other = _store(first, wishes, sizing), _store(second, wishes, sizing, target=True)
    batches = paired(store, other) if in_pairs else Unpaired(store, other)
    return Lessons(store, batches, View(batches, function=_first), _of_images(store, other))


def _side_by_side(manifest: Manifest, wishes: Wishes) -> Lessons:
    if wishes.sizing == "tile":
        raise UsageError("tiles would cut through images that lie side by side; use the sizing mode 'resize'")
    if wishes.image_size is None and wishes.fixed is None:  # that of the whole, both halves
        whole = choose_sizing(manifest, None, "resize", 2 * WORKING_SIZE)
        assert whole is not None
        half = Sizing(whole.height, max(1, whole.width // 2))
    else:
        half = _chosen_sizing(manifest, wishes)
    store = _store(manifest, wishes, Sizing(half.height, 2 * half.width), target=True)
    batches = SideBySide(store)
    return Lessons(store, batches, View(batches, function=_first), replace(_of_images(store, store), sizing=half))


def _pictures(X: Any, wishes: Wishes) -> Manifest:
    manifest = wishes.records(open_examples(X))
    if manifest.vectors:
        raise DataError(f"{manifest.name}: holds rows of numbers; what turns one thing into another learns from images")
    return manifest


def _chosen_sizing(manifest: Manifest, wishes: Wishes) -> Sizing:
    if wishes.fixed is not None and wishes.fixed.sizing is not None:
        return wishes.fixed.sizing
    sizing = choose_sizing(manifest, wishes.image_size, wishes.sizing, WORKING_SIZE)
    assert sizing is not None
    return sizing


def _store(manifest: Manifest, wishes: Wishes, sizing: Sizing | None = None, *, target: bool = False) -> Store:
    fixed = wishes.fixed
    if fixed is None:
        window, channels = choose_window(manifest, wishes.window), None
    else:
        window, channels = fixed.window, fixed.channels
        if target:
            window, channels = fixed.target_window, fixed.target_channels
    return Store.build(
        manifest,
        sizing or (None if manifest.vectors else _chosen_sizing(manifest, wishes)),
        window=window,
        channels=channels,
        folder=wishes.cache,
        strict=wishes.strict,
        on_progress=wishes.on_progress,
    )


def _of_images(store: Store, target: Store) -> Preprocessing:
    return Preprocessing(
        sizing=store.sizing,
        window=store.window,
        channels=store.channels,
        target_window=target.window,
        target_channels=target.channels,
        mean=None,
        scale=None,
    )


def _first(batch: Any) -> torch.Tensor:
    first: torch.Tensor = batch[0]
    return first

"""From a user's data to what a model learns from: normal items, with their classes or partners where it needs them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hizumi.data import Manifest, Record, Store, open_source
from hizumi.data.manifest import UNLABELLED
from hizumi.data.series.blocks import joined
from hizumi.errors import DataError
from hizumi.storage.files import with_home
from hizumi.words import counted


def open_examples(X: Any, y: Any = None, *, everything: bool = False, **learned: Any) -> Manifest:
    """Anything that `open_source` takes, without what is labelled anomalous unless `everything` is wanted.

    `y` (n,) names each item's class; `learned` is a preprocessing's `as_learned`, or says that X is a `series`.
    """
    manifest = open_source(X, **_kinds_kept(learned), **learned)
    if y is not None:
        manifest = replace(manifest, records=_with_classes(manifest, y))
    kept = tuple(record for record in manifest.records if everything or record.label != 1)
    if not kept:
        raise DataError(f"{manifest.name}: holds no normal item; a model learns from those that are not anomalous")
    return replace(manifest, records=kept)


def open_items(X: Any, **learned: Any) -> Manifest:
    """Anything that `open_source` takes, all of it, for a model to work on; `learned` is as for `open_examples`."""
    return open_source(X, layout="unlabelled", **_kinds_kept(learned), **learned)


def to_learn_from(manifest: Manifest) -> Manifest:
    """All but what the data mark as test; blocks of a series that follow one another as one stretch."""
    kept = tuple(replace(record, split="train") for record in manifest.records if record.split != "test")
    if not kept:
        raise DataError(f"{manifest.name}: all of it is marked as test; there is nothing to learn from")
    return joined(replace(manifest, records=kept))


def to_judge_on(manifest: Manifest) -> Manifest:
    """What the data mark as test; all, where they mark nothing."""
    test = manifest.select(split="test")
    return test if len(test) else manifest


def with_classes_only(manifest: Manifest) -> Manifest:
    """Leave out items that have no class, and say so."""
    kept = tuple(record for record in manifest.records if record.kind != UNLABELLED)
    left_out = len(manifest) - len(kept)
    notes = (f"left out: {counted(left_out, 'item')} without a class",) if left_out else ()
    return replace(manifest, records=kept, notes=(*manifest.notes, *notes))


def split_in_two(X: Any) -> tuple[Any, Any]:
    """The two sets in one place: a tuple of two, or a folder with sub-folders A and B, or trainA and trainB."""
    if isinstance(X, tuple) and len(X) == 2:
        return X
    path = with_home(X) if isinstance(X, str | Path) else None
    found = (
        {folder.name.lower(): folder for folder in path.iterdir() if folder.is_dir()} if path and path.is_dir() else {}
    )
    for first, second in (("a", "b"), ("traina", "trainb")):
        if first in found and second in found:
            return found[first], found[second]
    raise DataError(
        "two sets of images are needed: give a second one, a folder with sub-folders A and B, or a ready-made pairing"
    )


def classes_of(manifest: Manifest) -> tuple[str, ...]:
    """Names of the classes, numbers in their order before words."""
    return tuple(sorted({record.kind for record in manifest.records}, key=_order))


def labels_of(store: Store, classes: Sequence[str]) -> torch.Tensor:
    """The class of each item of a store, as its place among the names."""
    kinds = (store.manifest.records[index].kind for index in store.kept)
    return torch.tensor([classes.index(kind) for kind in kinds])


def _kinds_kept(learned: Mapping[str, Any]) -> dict[str, Any]:
    """For `open_source`: every class is normal; blocks of series have none."""
    is_series = any(learned.get(name) for name in ("series", "series_form"))
    return {"normal_class": None if is_series else "all"}


def _with_classes(manifest: Manifest, y: Any) -> tuple[Record, ...]:
    names = [_class_name(label) for label in np.asarray(y).ravel().tolist()]
    if len(names) != len(manifest):
        raise DataError(f"{len(names)} classes were given for {len(manifest)} items; give one for each")
    return tuple(replace(record, label=0, kind=name) for record, name in zip(manifest.records, names, strict=True))


def _class_name(label: Any) -> str:
    """The name of a class; what has no label, None or NaN, is in none."""
    if label is None or label != label:
        return UNLABELLED
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _order(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name

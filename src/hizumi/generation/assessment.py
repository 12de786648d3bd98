"""How good a fitted model is, by every measure that its abilities allow, on data that it has not learned from."""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hizumi.data import Manifest, Store
from hizumi.data.images import CHANNEL_NAMES
from hizumi.data.progress import Observer
from hizumi.data.stream import Batches, in_order
from hizumi.errors import DataError, UsageError
from hizumi.evaluation.collapse import clusters_missed
from hizumi.evaluation.extractors import extractor
from hizumi.evaluation.generation import class_agreement, frechet_distance, similarity
from hizumi.generation.examples import classes_of, labels_of, open_examples, to_judge_on
from hizumi.generation.modeller import Modeller
from hizumi.generation.series_assessment import series_measures, windows_of_blocks
from hizumi.generation.training_data import counterparts
from hizumi.models import (
    CanReconstruct,
    CanSample,
    CanSampleClasses,
    CanTranslate,
    CanTranslateBack,
    HasLikelihood,
)
from hizumi.preprocessing import DataOptions
from hizumi.preprocessing.choosing import read
from hizumi.runs.record import notes_on
from hizumi.shapes import is_bounded
from hizumi.training import Trainable

ITEMS = 2000  # at most so many are compared with as many samples
CLASSIFIER_ITEMS = 20  # at least so many with labels, to learn a classifier and to test it


@torch.no_grad()
def assess(
    modeller: Modeller,
    X: Any,
    y: Any = None,
    *,
    features: str | Trainable = "pixels",
    seed: int = 0,
    strict: bool = False,
    observe: Observer | None = None,
) -> dict[str, Any]:
    """All measures that apply, ready for JSON, on what the data mark as test, or on all.

    Args:
        modeller: A fitted one.
        X: Data as for `Modeller.fit`.
        y: Classes, or what images turn into, as for `Modeller.fit`.
        features: The space in which samples are compared with items: "pixels", "efficientnet", or a fitted model.
        seed: Of the samples.
        strict: Stop at the first image that cannot be read.
        observe: Told of progress.
    """
    model = modeller.model_
    if isinstance(model, CanTranslate):
        return _translations(modeller, X, y, strict)
    preprocessing = modeller.preprocessing_
    manifest = to_judge_on(open_examples(X, y, **preprocessing.as_learned))
    if (manifest.vectors, manifest.series is None) != (preprocessing.vectors, preprocessing.series is None):
        raise DataError(f"{manifest.name}: holds {manifest.noun}s, unlike what was learned from")
    store = read(manifest, preprocessing, DataOptions(strict=strict))
    if store.shape != model.shape:
        raise DataError(f"{manifest.name}: items are of shape {store.shape}, the model learned ones of {model.shape}")
    chosen = torch.linspace(0, len(store) - 1, min(ITEMS, len(store))).long()
    blocks = None if manifest.series is None else windows_of_blocks(store, ITEMS)
    if blocks is not None:
        chosen = torch.from_numpy(blocks.places)
    crops = torch.Generator().manual_seed(seed) if store.views > 1 else None
    items = store.batch(chosen, crops)
    result: dict[str, Any] = {"data": manifest.name, "items": len(store)} | _remarks(manifest, store)
    if isinstance(model, CanSample) and blocks is not None:
        result["series"] = series_measures(modeller, items[:, :, 0].numpy(), blocks.block, seed)
    elif isinstance(model, CanSample):
        samples = model.sample(len(items), seed)
        result["samples"] = _samples(items, samples, features)
        if features == "efficientnet" and items.shape[1] not in CHANNEL_NAMES:
            result["notes"].append(
                f"efficientnet sees the mean of the {items.shape[1]} channels; the features pixels see each of them"
            )
        if modeller.classes_ and set(classes_of(manifest)) <= set(modeller.classes_):
            labels = labels_of(store, modeller.classes_)[chosen].numpy()
            result["classes"] = _agreement(modeller, items, labels, features, seed)
    if isinstance(model, HasLikelihood) and store.views == 1:
        result["likelihood"] = _likelihood(modeller, manifest, strict, observe)
    if isinstance(model, CanReconstruct):
        result["reconstruction"] = _error(
            items, torch.cat([model.reconstruct(part) for part in torch.split(items, 64)])
        )
    return result


def _remarks(manifest: Manifest, store: Store) -> dict[str, Any]:
    """What was assumed about the data, and what was left out of them."""
    return {
        "notes": list(notes_on(manifest, store)),
        "failures": [{"name": each.name, "reason": each.reason} for each in store.failures],
        "unopened": [{"name": each.name, "reason": each.reason} for each in manifest.unopened],
    }


def _samples(items: Tensor, samples: Tensor, features: str | Trainable) -> dict[str, Any]:
    extract, pixels = extractor(features), extractor("pixels")
    real, made = extract(items), extract(samples)
    missed, near = clusters_missed(pixels(items), pixels(samples))
    halves = np.random.default_rng(0).permutation(len(real))
    first, second = real[halves[::2]], real[halves[1::2]]
    return {
        "features": features if isinstance(features, str) else type(features).__name__,
        **similarity(real, made).to_dict(),
        "frechet_distance_of_two_halves_of_the_data": frechet_distance(first, second),
        "half_count": len(second),
        "frechet_distance_of_as_many_samples": frechet_distance(first, made[: len(second)]),
        "share_of_data_in_clusters_missed": missed,
        "share_of_samples_near_a_cluster": near,
    }


def _agreement(
    modeller: Modeller, items: Tensor, labels: np.ndarray, features: str | Trainable, seed: int
) -> dict[str, Any] | None:
    """Samples of each class in turn, judged by a classifier that learned from half of the items."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(items) < CLASSIFIER_ITEMS or len(np.unique(labels)) < 2:
        return None
    extract = extractor(features)
    real = extract(items)
    order = np.random.default_rng(seed).permutation(len(items))
    train, test = order[::2], order[1::2]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(real[train], labels[train])
    model, asked = modeller.able(CanSampleClasses), np.arange(len(items)) % len(modeller.classes_)
    found = classifier.predict(extract(model.sample(len(items), seed, labels=torch.from_numpy(asked))))
    agreement = class_agreement(asked, found).to_dict()
    by_class = {modeller.classes_[label]: share for label, share in agreement["by_class"].items()}
    accuracy = float(classifier.score(real[test], labels[test]))
    return {**agreement, "by_class": by_class, "classifier_accuracy_on_items": accuracy}


def _likelihood(modeller: Modeller, manifest: Manifest, strict: bool, observe: Observer | None) -> dict[str, Any]:
    rows = [row for row in modeller.likelihood_each(manifest, strict=strict, observe=observe) if isinstance(row, dict)]
    nats = np.array([row["nats"] for row in rows])
    return {
        "nats": float(nats.mean()),
        "nats_standard_error": float(nats.std(ddof=1) / math.sqrt(len(nats))) if len(nats) > 1 else None,
        "bits_per_dimension": float(np.mean([row["bits_per_dimension"] for row in rows])),
        "items": len(nats),
    }


def _error(items: Tensor, made: Tensor) -> dict[str, Any]:
    """Squared errors, for images with pixels in [0, 1]."""
    scale = 2.0 if is_bounded(tuple(items.shape[1:])) else 1.0
    squares = ((items - made) / scale).square().flatten(1).double()
    return {
        "mean_squared_error": float(squares.mean()),
        "squared_error_per_item": float(squares.sum(1).mean()),
        "items": len(items),
    }


def _translations(modeller: Modeller, X: Any, y: Any, strict: bool) -> dict[str, Any]:
    model = modeller.able(CanTranslate)
    in_pairs = "pairs" in modeller.model_.card.needs
    data = counterparts(
        X,
        y,
        DataOptions(sizing=modeller.sizing, strict=strict),
        modeller.pairing,
        in_pairs=in_pairs,
        records=to_judge_on,
        fitted=modeller.preprocessing_,
    )
    first, second = _gathered(data.batches)
    made = torch.cat([model.translate(part) for part in torch.split(first, 16)])
    result: dict[str, Any] = {"data": data.store.manifest.name, "items": len(first)}
    if in_pairs:
        result["translation"] = {"psnr_db": _psnr(made, second)}
        if first.shape == second.shape:
            result["translation"]["psnr_db_of_inputs"] = _psnr(first, second)
        return result
    extract = extractor("pixels")
    way_back = modeller.able(CanTranslateBack)
    back = torch.cat([way_back.translate_back(part) for part in torch.split(made, 16)])
    result["translation"] = {
        "features": "pixels",
        "frechet_distance": frechet_distance(extract(second), extract(made)),
        "frechet_distance_of_inputs": frechet_distance(extract(second), extract(first)),
        "psnr_db_there_and_back": _psnr(back, first),
    }
    return result


def _gathered(batches: Batches) -> tuple[Tensor, Tensor]:
    parts = list(in_order(batches))
    if not parts:
        raise UsageError("there is nothing to judge on")
    first, second = (torch.cat([part[place] for part in parts])[:ITEMS] for place in (0, 1))
    return first, second


def _psnr(made: Float[Tensor, "n c h w"], truth: Float[Tensor, "n c h w"]) -> float:
    """Peak signal to noise in decibels for a range of [-1, 1], of the mean squared error over all images."""
    return 10 * math.log10(4 / max(float((made - truth).square().double().mean()), 1e-20))

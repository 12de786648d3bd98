"""The spaces that tuning searches: each lies within what its argument allows, and whatever it holds can be made."""

import random
from typing import Any

import numpy as np
import pytest
import torch

from hizumi.arguments import Searched, annotation_of, check_arguments, check_value, clone, home_of
from hizumi.detectors import PCA, Mahalanobis, NearestFeatures, Reconstruction
from hizumi.detectors.features import VarianceShare
from hizumi.errors import DataError, UsageError
from hizumi.models import VAE
from hizumi.registry import find_detectors
from hizumi.registry.searching import chosen_spaces, spaces_of, values_of
from hizumi.training.options import Budget, TrainingOptions

DETECTORS = {
    f"{name}-{preset}": found.presets[preset].make() if preset in found.presets else found()
    for name, found in find_detectors().items()
    for preset in ("default", "fast", *found.presets)
}
OF_ROWS = [name for name, found in find_detectors().items() if "vectors" in found.card.inputs and spaces_of(found())]
SEARCHED = [name for name, detector in DETECTORS.items() if spaces_of(detector)]


def drawn(space: Searched, value: Any, generator: random.Random) -> Any:
    """A value of the space, of the kind that the argument has."""
    if space.choices:
        return generator.choice(space.choices)
    share = generator.random()
    found = space.low * (space.high / space.low) ** share if space.log else space.low + share * (space.high - space.low)
    return round(found) if isinstance(value, int) else found


def test_most_detectors_declare_what_is_searched() -> None:
    assert len({name.rpartition("-")[0] for name in SEARCHED}) >= 25


@pytest.mark.parametrize("name", SEARCHED)
def test_spaces_lie_within_what_arguments_allow(name: str) -> None:
    detector = DETECTORS[name]
    for path, space in spaces_of(detector).items():
        owner, argument = home_of(detector, path)
        whole = isinstance(values_of(detector, [path])[path], int) and not space.choices
        ends = space.choices or (space.low, space.high)
        for end in ends:
            check_value(annotation_of(owner, argument), round(end) if whole else end, path)
        assert space.choices or space.low < space.high
        assert space.low > 0 or not space.log, f"{path}: zero has no ratio to anything"
        assert not (space.choices and space.log)


@pytest.mark.parametrize("name", SEARCHED)
def test_what_is_drawn_can_be_made_and_the_search_begins_within(name: str) -> None:
    detector, generator = DETECTORS[name], random.Random(0)
    paths = list(spaces_of(detector))
    if not name.endswith(("-default", "-fast")):  # the others begin where they do
        begun = values_of(detector, paths)
        paths = [path for path in paths if spaces_of(detector)[path].has(begun[path])]
    spaces = {path: spaces_of(detector)[path] for path in paths}
    assert not paths or chosen_spaces(detector, name, paths) == spaces
    begun = values_of(detector, list(spaces))
    for _ in range(10):
        values = {path: drawn(space, begun[path], generator) for path, space in spaces.items()}
        made = clone(detector, **values)
        check_arguments(made)
        assert values_of(made, list(spaces)) == values
    assert values_of(detector, list(spaces)) == begun


def scores_of_rows(detector: Any) -> np.ndarray:
    """Of a few rows, after two steps of each training."""
    generator = torch.Generator().manual_seed(0)
    rows = (torch.rand(40, 6, generator=generator) @ torch.rand(6, 6, generator=generator) / 3 - 0.5).clamp(-1, 1)
    options = TrainingOptions(budget=Budget(steps=2), batch_size=8)
    return detector.fit(rows[:30], options).score(rows[30:]).image.numpy()


@pytest.mark.parametrize("name", OF_ROWS)
def test_what_is_searched_for_rows_makes_a_difference_to_them_and_what_is_left_alone_makes_none(name: str) -> None:
    found = find_detectors()[name]
    detector = found.presets["small"].make() if "small" in found.presets else found()
    begun = scores_of_rows(clone(detector))
    for path, space in spaces_of(detector).items():
        value = values_of(detector, [path])[path]
        others = space.choices or [type(value)(end) for end in (space.low, space.high)]
        differs = False
        for other in others:
            try:
                differs |= not np.array_equal(scores_of_rows(clone(detector, **{path: other})), begun)
            except DataError:  # rows cannot have it at all
                assert not space.of_rows
        assert differs == space.of_rows, f"{path}, {space.words()}"


def test_rows_are_not_searched_for_what_only_images_have() -> None:
    assert list(chosen_spaces(PCA(), "pca", vectors=True)) == ["variance_share"]
    with pytest.raises(UsageError, match="pca: smoothing does nothing for rows; it can be searched in variance_share"):
        chosen_spaces(PCA(), "pca", ["smoothing"], vectors=True)
    assert list(chosen_spaces(PCA(), "pca", ["smoothing"])) == ["smoothing"]


def test_names_in_short_and_what_is_off() -> None:
    detector = Reconstruction(VAE())
    assert list(chosen_spaces(detector, "reconstruction", ["latent", "smoothing"])) == ["model.latent", "smoothing"]
    assert "input_size" not in spaces_of(NearestFeatures(input_size=None))


@pytest.mark.parametrize(
    ("detector", "names", "said"),
    [
        (PCA(), ["latent"], "has no setting 'latent'"),
        (PCA(), ["statistic"], "statistic is not searched, or is None, which is off; it can be searched in variance"),
        (NearestFeatures(input_size=None), ["input_size"], "input_size is not searched, or is None"),
        (Mahalanobis(covariance="identity"), [], "covariance begins at 'identity', and is tuned among 'ledoit-wolf'"),
        (find_detectors()["control_chart"](), [], "declares nothing to search"),
    ],
)
def test_what_cannot_be_searched_is_said(detector: Any, names: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen_spaces(detector, "it", names)


def test_annotations_are_what_values_may_be() -> None:
    assert annotation_of(PCA, "smoothing") == annotation_of(NearestFeatures, "blur")
    assert annotation_of(Mahalanobis, "variance_share") == VarianceShare

"""The spaces that tuning searches: each lies within what its argument allows, and whatever it holds can be made."""

import random
from typing import Any

import pytest

from hizumi.arguments import Searched, annotation_of, check_arguments, check_value, clone, home_of
from hizumi.detectors import PCA, Mahalanobis, NearestFeatures, Reconstruction
from hizumi.detectors.features import VarianceShare
from hizumi.errors import UsageError
from hizumi.models import VAE
from hizumi.registry import find_detectors
from hizumi.registry.searching import chosen_spaces, spaces_of, values_of

DETECTORS = {
    f"{name}-{preset}": found.presets[preset].make() if preset in found.presets else found()
    for name, found in find_detectors().items()
    for preset in ("default", "fast", *found.presets)
}
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

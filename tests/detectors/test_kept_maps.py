"""Maps of fixed networks that folds share: computed once for an image, and the same."""

import pytest
import torch

from hizumi.data.seeds import seed_for
from hizumi.detectors import FusedFeatures, GaussianFeatures, kept_maps
from hizumi.detectors.fixed_features import FixedFeatures
from hizumi.detectors.kept_maps import maps_are_kept, maps_pass
from tests.detectors.passes import seen as seen  # a fixture

SHAPE = (1, 24, 24)


def images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_for("step", count))
    return torch.rand(count, *SHAPE, generator=generator) * 2 - 1


def wavelets(levels: tuple[int, ...] = (1, 2), flatten: float | None = None) -> FixedFeatures:
    return FixedFeatures(SHAPE, levels, flatten=flatten, kind="wavelets")


def test_an_image_goes_through_a_network_once_in_whatever_batch(seen: list[int]) -> None:
    data = images(6)
    alone = wavelets()(data)
    seen.clear()
    with maps_are_kept():
        first, again = wavelets()(data[:4]), wavelets()(data.flip(0))
        assert seen == [4, 2]
        wavelets()(data.flip(3))
        assert seen == [4, 2, 6]
    for level, maps in alone.items():
        torch.testing.assert_close(first[level], maps[:4])
        torch.testing.assert_close(again[level], maps.flip(0))
    wavelets()(data)
    assert seen == [4, 2, 6, 6]


def test_other_levels_and_other_preparation_are_another_network(seen: list[int]) -> None:
    data = images(3)
    with maps_are_kept():
        for features in (wavelets(), wavelets((1,)), wavelets(flatten=4.0), wavelets()):
            torch.testing.assert_close(features(data), features(data))
    assert seen == [3, 3, 3]


def test_maps_pass_where_nobody_will_ask_for_them_again(seen: list[int]) -> None:
    data = images(3)
    with maps_are_kept():
        with maps_pass():
            wavelets()(data)
        wavelets()(data)
        wavelets()(data)
    assert seen == [3, 3]


def test_no_more_is_kept_than_allowed(seen: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    data = images(5)
    of_one = sum(maps[0].nbytes for maps in wavelets()(data).values())
    monkeypatch.setattr(kept_maps, "LARGEST", 2 * of_one)
    seen.clear()
    with maps_are_kept():
        expected = wavelets()(data)
        torch.testing.assert_close(wavelets()(data), expected)
    assert seen == [5, 3]


@pytest.mark.parametrize(
    "make",
    [
        lambda: FusedFeatures((1, 2), "wavelets", None, memory=20, candidates=60, channels=8),
        lambda: GaussianFeatures("levels", (1, 2), (1, 2), "wavelets", flips=True, input_size=None),
    ],
)
def test_scores_are_the_same(make: type[FusedFeatures]) -> None:
    data, new = images(12), images(5)
    alone = make().fit(data).score(new)
    with maps_are_kept():
        make().fit(data[:8])
        shared = make().fit(data).score(new)
    torch.testing.assert_close(shared.image, alone.image, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shared.pixel, alone.pixel, rtol=1e-4, atol=1e-4)

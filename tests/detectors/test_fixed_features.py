"""Features on a grid: averages and enlargement against the network called by hand."""

import pytest
import torch
from torch.nn.functional import interpolate

from hizumi.detectors.fixed_features import FixedFeatures, NetworkKind, check_levels
from hizumi.errors import UsageError
from hizumi.networks.efficientnet import LEVEL_CHANNELS, LEVEL_HALVINGS, EfficientNetLite

IMAGES = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_neighbourhood_is_averaged_in_each_levels_own_map() -> None:
    features = FixedFeatures((1, 32, 32), (3, 4))
    maps = features(IMAGES)
    placed = features.placed(maps, (3, 4), neighbourhood=3).unflatten(1, (4, 4))
    # Level 4 is the grid. At a corner four of its places are averaged, elsewhere nine.
    torch.testing.assert_close(placed[:, 0, 0, 24:], maps[4][:, :, :2, :2].mean((2, 3)))
    torch.testing.assert_close(placed[:, 2, 1, 24:], maps[4][:, :, 1:4, 0:3].mean((2, 3)))
    # Level 3 is twice as fine: the means of the neighbourhoods of four of its places.
    four = [maps[3][:, :, row - 1 : row + 2, column - 1 : column + 2] for row in (4, 5) for column in (2, 3)]
    torch.testing.assert_close(placed[:, 2, 1, :24], torch.stack([one.mean((2, 3)) for one in four]).mean(0))


def test_small_images_are_enlarged_and_large_ones_left() -> None:
    assert FixedFeatures((1, 32, 48), (4,), input_size=64).sides == (64, 96)
    assert FixedFeatures((1, 96, 80), (4,), input_size=64).sides == (96, 80)
    assert FixedFeatures((1, 16, 256), (4,), input_size=64).sides == (32, 512)  # the pixels of 64x256
    assert FixedFeatures((1, 20, 4096), (4,), input_size=64).sides == (20, 4096)
    (expected,) = EfficientNetLite((4,))(interpolate(IMAGES, (64, 64), mode="bilinear", align_corners=False))
    torch.testing.assert_close(FixedFeatures((1, 32, 32), (4,), input_size=64)(IMAGES)[4], expected)


def test_levels_have_the_channels_and_sizes_that_are_written_down() -> None:
    for level, found in FixedFeatures((1, 64, 64), range(1, 10))(torch.zeros(1, 1, 64, 64)).items():
        side = 64 >> LEVEL_HALVINGS[level - 1]
        assert found.shape == (1, LEVEL_CHANNELS[level - 1], side, side)


@pytest.mark.parametrize("given", [{"weights": "resnet18.pth"}, {"sha256": "0" * 64}])
def test_wavelets_take_no_weights(given: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="take no weights; name the network that these are of"):
        FixedFeatures((3, 32, 32), (1,), kind="wavelets", **given)


def test_levels_that_do_not_exist_are_refused() -> None:
    for levels in ((), (0,), (3, 10)):
        with pytest.raises(UsageError, match="numbers from 1 to 9"):
            check_levels(levels=levels)
    check_levels(levels=(1, 9))
    with pytest.raises(UsageError, match=r"map_levels \(4,\) must be numbers from 1 to 3"):
        check_levels("wavelets", map_levels=(4,))


@pytest.mark.parametrize("kind", ["efficientnet", "wavelets"])
@pytest.mark.parametrize(("channels", "seen"), [(2, 2), (5, 5), (12, 12), (13, 7), (30, 10)])
def test_channels_of_no_photograph_are_each_seen_as_a_grey_picture(kind: NetworkKind, channels: int, seen: int) -> None:
    images = torch.rand(2, channels, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    features = FixedFeatures((channels, 32, 32), (1, 3), kind=kind)
    of_grey = FixedFeatures((1, 32, 32), (1, 3), kind=kind)
    found, prepared = features(images), features.maps(features.prepared(images))
    together = -(-channels // seen)
    groups = [images[:, first : first + together] for first in range(0, channels, together)]
    assert len(groups) == seen
    for level in (1, 3):
        assert features.channels[level] == seen * of_grey.channels[level]
        expected = torch.cat([of_grey(group.mean(1, keepdim=True))[level] for group in groups], 1)
        torch.testing.assert_close(found[level], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[level], prepared[level], rtol=0, atol=0)


def test_photographs_are_seen_as_they_are() -> None:
    for channels in (1, 3):
        assert "pictures" not in FixedFeatures((channels, 32, 32), (1,)).state_dict()

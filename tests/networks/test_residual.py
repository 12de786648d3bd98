"""The residual bodies against the published tables, and their blocks against the published order of operations."""

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from hizumi import networks
from hizumi.networks.axes import Axes
from hizumi.networks.residual import Resampling, layer_norm


def widths_of(network: nn.Module) -> list[tuple[int, int]]:
    blocks = [module for module in network.modules() if isinstance(module, Resampling)]
    return [(block.shortcut.in_channels, block.shortcut.out_channels) for block in blocks]


def test_at_64_pixels_the_networks_are_the_published_ones() -> None:
    assert widths_of(networks.ResidualGenerator((1, 64, 64), 128)) == [(512, 512), (512, 256), (256, 128), (128, 64)]
    down = [(64, 128), (128, 256), (256, 512), (512, 512)]
    assert widths_of(networks.ResidualCritic((1, 64, 64))) == down
    assert widths_of(networks.ResidualEncoder((1, 64, 64), 128)) == down
    assert networks.ResidualCritic((1, 64, 64), 4).features(torch.zeros(2, 1, 64, 64)).shape == (2, 32, 4, 4)


@pytest.mark.parametrize("grows", [True, False])
def test_blocks_are_in_the_published_order(grows: bool) -> None:
    torch.manual_seed(0)
    block, maps = Resampling(3, 5, layer_norm, grows, Axes()), torch.randn(2, 3, 4, 6)
    with torch.no_grad():
        if grows:
            small = interpolate(block.before(maps), scale_factor=2)
            expected = block.change(small) + block.shortcut(interpolate(maps, scale_factor=2))
        else:
            expected = avg_pool2d(block.change(block.before(maps)), 2) + block.shortcut(avg_pool2d(maps, 2))
        torch.testing.assert_close(block(maps), expected)


def test_layer_norm_takes_the_statistics_of_one_whole_map() -> None:
    maps = 3 + 2 * torch.randn(2, 4, 5, 5)
    expected = torch.stack([(one - one.mean()) / one.var(correction=0).add(1e-5).sqrt() for one in maps])
    torch.testing.assert_close(layer_norm(4)(maps), expected)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 21, 34), (2, 33, 47)])
def test_any_size_comes_back_at_its_size_and_each_image_is_judged_by_itself(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    images = networks.generator(shape, 5, 4, residual=True)(torch.randn(3, 5)).detach()
    assert images.shape == (3, *shape)
    assert networks.encoder(shape, 5, 4, residual=True)(images).shape == (3, 5)
    critic = networks.critic(shape, 4, residual=True)
    alone = torch.cat([critic(image[None]) for image in images])
    torch.testing.assert_close(critic(images), alone)
    torch.testing.assert_close(critic.judge(critic.features(images)), alone)

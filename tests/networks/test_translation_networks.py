"""U-Net, PatchGAN and the residual generator: what they see, at any size."""

import math

import pytest
import torch
from torch import nn

from hizumi.networks import AffineWarp, PatchGAN, ResNet, UNet, patch_layers
from hizumi.networks.resnet import Residual
from hizumi.networks.warp import PACE

SIZES = [(1, 4, 4), (3, 5, 7), (1, 28, 28), (2, 32, 32), (3, 21, 34), (4, 64, 17)]


def sensitivity(network: nn.Module, images: torch.Tensor, row: int, column: int) -> torch.Tensor:
    """Where (h, w) a change of the input changes the output at one place."""
    images = images.clone().requires_grad_()
    network(images)[0, :, row, column].sum().backward()
    assert images.grad is not None
    return images.grad[0].abs().sum(0) > 0


@pytest.mark.parametrize(("layers", "pixels"), [(1, 16), (2, 34), (3, 70)])
def test_a_patch_is_as_large_as_published(layers: int, pixels: int) -> None:
    # Batch norm with fixed statistics, so that a logit depends on nothing but its patch.
    torch.manual_seed(0)
    network = PatchGAN(2, width=4, layers=layers, normalisation="batch").eval()
    images = torch.randn(1, 2, 112, 128)
    logits = network(images)
    row, column = logits.shape[2] // 2, logits.shape[3] // 2
    seen = sensitivity(network, images, row, column)
    rows, columns = (torch.nonzero(seen.any(dimension)).flatten() for dimension in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    assert int(rows[-1]) - top + 1 == pixels
    assert int(columns[-1]) - left + 1 == pixels

    # The same by perturbation: nothing outside of the patch counts, everything inside does.
    outside, inside = images.clone(), images.clone()
    patch = (..., slice(top, top + pixels), slice(left, left + pixels))
    outside += 1
    outside[patch] -= 1
    inside[patch] += 1
    assert torch.allclose(network(outside)[0, 0, row, column], logits[0, 0, row, column], atol=1e-6)
    assert not torch.allclose(network(inside)[0, 0, row, column], logits[0, 0, row, column], atol=1e-6)


def test_patches_grow_with_the_image() -> None:
    assert [patch_layers(size, 512) for size in (4, 28, 32, 63, 64, 127, 128, 256)] == [1, 1, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("normalisation", ["batch", "instance"])
@pytest.mark.parametrize("shape", SIZES)
def test_any_size_and_channel_count(shape: tuple[int, int, int], normalisation: str) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, *shape) * 2 - 1
    for network in (
        UNet(shape, 5, width=4, normalisation=normalisation, dropout=0.5),
        ResNet(shape, 5, width=4, blocks=1, normalisation=normalisation),
    ):
        translated = network(images)
        assert translated.shape == (2, 5, *shape[1:])
        assert bool((translated.abs() <= 1).all())
        # No network forgets a corner that its padding touches.
        translated[:, :, -1, -1].square().sum().backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
    assert PatchGAN(shape[0], 4, patch_layers(*shape[1:]), normalisation)(images).shape[:2] == (2, 1)


def test_unet_narrows_powers_of_two_to_one_pixel_with_published_widths() -> None:
    network = UNet((3, 256, 256), 1)
    widths = [down[-2 if isinstance(down[-1], nn.BatchNorm2d) else -1].out_channels for down in network.down]
    assert widths == [64, 128, 256, 512, 512, 512, 512, 512]
    small = UNet((1, 32, 32), 1, width=4, dropout=0.5)
    maps: list[torch.Size] = []
    small.down[-1].register_forward_hook(lambda module, inputs, output: maps.append(output.shape))
    small(torch.zeros(2, 1, 32, 32))
    assert maps == [(2, 32, 1, 1)]
    dropping = [any(isinstance(layer, nn.Dropout) for layer in up) for up in small.up]
    assert dropping == [False, False, True, True, True]  # from the outermost to the innermost


def test_every_output_of_the_unet_sees_every_input_and_skips_carry_detail() -> None:
    torch.manual_seed(0)
    network = UNet((1, 32, 32), 1, width=8).eval()
    images = torch.randn(1, 1, 32, 32)
    assert bool(sensitivity(network, images, 0, 0).all())
    for up in network.up[1:]:  # with all levels but the outermost silenced, what is left came by its skip
        nn.init.zeros_(up[1].weight)
    seen = sensitivity(network, images, 16, 16)
    assert 4 <= int(seen.sum()) <= 64


def test_resnet_shrinks_to_a_quarter_and_starts_its_blocks_at_the_identity_when_they_are_silent() -> None:
    network = ResNet((1, 32, 32), 1, width=4, blocks=2)
    blocks = [module for module in network.body if isinstance(module, Residual)]
    assert len(blocks) == 2
    shapes: list[torch.Size] = []
    blocks[0].register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    network(torch.zeros(1, 1, 32, 32))
    assert shapes == [(1, 16, 8, 8)]
    nn.init.zeros_(blocks[0].change[-2].weight)
    maps = torch.randn(1, 16, 8, 8)
    assert torch.equal(blocks[0](maps), maps)


def test_instance_norm_treats_an_image_alike_in_any_batch_and_mode() -> None:
    torch.manual_seed(0)
    images = torch.randn(6, 1, 32, 32)
    for network in (UNet((1, 32, 32), 1, 4, "instance"), ResNet((1, 32, 32), 1, 4, 1), PatchGAN(1, 4, 1, "instance")):
        whole = network.train()(images)
        torch.testing.assert_close(network(images[2:3]), whole[2:3])
        torch.testing.assert_close(network.eval()(images), whole)


def test_a_warp_starts_as_the_identity_and_turns_flips_and_shifts_exactly() -> None:
    images = torch.randn(3, 2, 9, 9)
    warp = AffineWarp()
    torch.testing.assert_close(warp(images), images)
    for matrix, expected in (
        ([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]], images.rot90(1, (2, 3))),
        ([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], images.flip(3)),
        ([[1.0, 0.0, 2 / 9 * 2], [0.0, 1.0, 0.0]], torch.cat([images[..., 2:], images[..., -1:], images[..., -1:]], 3)),
    ):
        with torch.no_grad():
            warp.change.copy_((torch.tensor(matrix) - torch.eye(2, 3)) / PACE)
        torch.testing.assert_close(warp.matrix, torch.tensor(matrix))
        torch.testing.assert_close(warp(images), expected, atol=1e-5, rtol=1e-5)


def test_a_warp_is_learned_from_pictures() -> None:
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 24), indexing="ij")
    blobs = [torch.exp(-8 * ((columns - x) ** 2 + (rows - y) ** 2)) for x, y in ((0.3, 0.1), (-0.2, 0.4), (0.0, -0.5))]
    images = torch.stack(blobs)[:, None]
    turned, warp = AffineWarp(), AffineWarp()
    cosine, sine = math.cos(0.5), math.sin(0.5)
    turn = torch.tensor([[cosine, -sine, 0.1], [sine, cosine, 0.0]])
    with torch.no_grad():
        turned.change.copy_((turn - torch.eye(2, 3)) / PACE)
    optimiser = torch.optim.Adam(warp.parameters(), 1.5e-3)
    for _ in range(200):
        optimiser.zero_grad()
        (warp(images) - turned(images).detach()).square().mean().backward()
        optimiser.step()
    torch.testing.assert_close(warp.matrix.detach(), turn, atol=0.01, rtol=0)

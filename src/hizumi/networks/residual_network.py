"""Residual networks, He et al., "Deep residual learning for image recognition", CVPR 2016, and a wide one.

Zagoruyko and Komodakis, "Wide residual networks", BMVC 2016. Names and shapes of weights are those of torchvision and
timm, with the stride of a bottleneck in its 3x3 convolution.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from hizumi.networks.frozen import FrozenNetwork
from hizumi.networks.photographs import standardised
from hizumi.networks.weight_files import load_weights

STEM = 64
STRIDE = 32

ResidualKind = Literal["resnet18", "resnet50", "wide_resnet50"]


class _Form(NamedTuple):
    blocks: tuple[int, int, int, int]  # of the stages
    expansion: int  # of a stage's width, to its channels; 1: blocks of two 3x3 convolutions
    inner: int  # times a stage's width, inside a block

    @property
    def channels(self) -> tuple[int, ...]:
        return tuple(self.expansion * STEM << stage for stage in range(len(self.blocks)))


FORMS: dict[ResidualKind, _Form] = {
    "resnet18": _Form((2, 2, 2, 2), expansion=1, inner=1),
    "resnet50": _Form((3, 4, 6, 3), expansion=4, inner=1),
    "wide_resnet50": _Form((3, 4, 6, 3), expansion=4, inner=2),
}


class ResidualNetwork(FrozenNetwork):
    """Images (n, c, h, w) in [-1, 1] to a list of feature maps, lowest level first; levels 1 to 4 are the stages.

    The weights are frozen. Sides are multiples of 32.

    Args:
        kind: Which network.
        levels: Which levels to return; nothing above the highest is computed.
        weights: A file of its weights.
        sha256: The hash that file must have.
    """

    def __init__(self, kind: ResidualKind, levels: tuple[int, ...], weights: Path, sha256: str) -> None:
        super().__init__(levels)
        form = FORMS[kind]
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM, 7, 2, 3, bias=False), nn.BatchNorm2d(STEM), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        )
        self.stages = nn.ModuleList(_stage(form, stage) for stage in range(max(levels)))
        load_weights(self, weights, sha256, kind, _translated)
        self.frozen(torch.channels_last)

    def maps(self, images: Tensor) -> list[Tensor]:
        maps = [self.stem(standardised(images).contiguous(memory_format=torch.channels_last))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return [maps[level] for level in sorted(self.levels)]


class _Block(nn.Module):
    """A residual block, whose layers are one sequence, so that batch norms can be folded into weights."""

    def __init__(self, inputs: int, form: _Form, width: int, stride: int) -> None:
        super().__init__()
        inner, outputs = form.inner * width, form.expansion * width
        if form.expansion == 1:
            layers = [*_convolution(inputs, inner, 3, stride), nn.ReLU(inplace=True), *_convolution(inner, outputs, 3)]
        else:
            layers = [
                *_convolution(inputs, inner, 1),
                nn.ReLU(inplace=True),
                *_convolution(inner, inner, 3, stride),
                nn.ReLU(inplace=True),
                *_convolution(inner, outputs, 1),
            ]
        self.layers = nn.Sequential(*layers)
        is_same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if is_same else nn.Sequential(*_convolution(inputs, outputs, 1, stride))

    def forward(self, maps: Tensor) -> Tensor:
        changed: Tensor = self.layers(maps)
        return changed.add_(self.shortcut(maps)).relu_()


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False), nn.BatchNorm2d(outputs)]


def _stage(form: _Form, stage: int) -> nn.Sequential:
    inputs, outputs = STEM if stage == 0 else form.channels[stage - 1], form.channels[stage]
    return nn.Sequential(
        *(
            _Block(outputs if block else inputs, form, STEM << stage, 2 if stage and not block else 1)
            for block in range(form.blocks[stage])
        )
    )


def _translated(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Weights by their names here, whichever of the usual ones they have."""
    return {_renamed(name): tensor for name, tensor in state.items()}


def _renamed(name: str) -> str:
    """The name here of a weight that is called so by torchvision and timm, or by Hugging Face's transformers."""
    if found := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
        return f"stem.{0 if found[1] == 'conv' else 1}.{found[2]}"
    if found := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\.(\w+)", name):
        place = 3 * (int(found[4]) - 1) + (found[3] == "bn")
        return f"stages.{int(found[1]) - 1}.{found[2]}.layers.{place}.{found[5]}"
    if found := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.(\d)\.(\w+)", name):
        return f"stages.{int(found[1]) - 1}.{found[2]}.shortcut.{found[3]}.{found[4]}"
    name = name.removeprefix("resnet.")
    if found := re.fullmatch(r"embedder\.embedder\.(convolution|normalization)\.(\w+)", name):
        return f"stem.{0 if found[1] == 'convolution' else 1}.{found[2]}"
    if found := re.fullmatch(r"encoder\.stages\.(\d)\.layers\.(\d+)\.layer\.(\d)\.(conv|norm)\w+\.(\w+)", name):
        place = 3 * int(found[3]) + (found[4] == "norm")
        return f"stages.{found[1]}.{found[2]}.layers.{place}.{found[5]}"
    if found := re.fullmatch(r"encoder\.stages\.(\d)\.layers\.(\d+)\.shortcut\.(conv|norm)\w+\.(\w+)", name):
        return f"stages.{found[1]}.{found[2]}.shortcut.{0 if found[3] == 'conv' else 1}.{found[4]}"
    return name

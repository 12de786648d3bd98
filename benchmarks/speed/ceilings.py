"""What the machine can do at best: arithmetic, as matrix products and convolutions, and copying."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from benchmarks.speed.measuring import Figure, Report, Run, Setting, Timing, in_turn, operations

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def wide_convolution(precision: str, setting: Setting) -> Run:
    """A convolution of a shape that suits the machine: the ceiling that others are measured against."""
    enough = 1024 if setting.device == "cuda" else 16  # images: a thousand times as many units are to be kept busy
    count, channels, side = setting.pick((enough, 256, 16), (2, 16, 8))
    maps, weight = (
        torch.randn(shape, device=setting.device).to(PRECISIONS[precision], memory_format=torch.channels_last)
        for shape in ((count, channels, side, side), (channels, channels, 3, 3))
    )
    return lambda: conv2d(maps, weight, padding=1)


def ceilings_beside(precisions: Iterable[str], setting: Setting) -> dict[str, Run]:
    """Ceilings as ways, to be timed in turn with others."""
    return {f"ceiling {precision}": wide_convolution(precision, setting) for precision in precisions}


def share(seconds: dict[str, Timing], way: str, work: int, precision: str, setting: Setting) -> float:
    """Operations a second of a way, relative to those of the ceiling beside it."""
    most = operations(wide_convolution(precision, setting)) / seconds[f"ceiling {precision}"].cpu
    return work / seconds[way].cpu / most


def ceilings(setting: Setting) -> Report:
    """Operations a second of one thread, at shapes of the models; bytes a second of a copy, read and written."""
    count = setting.pick(64, 2)
    ways: dict[str, Run] = {}
    for precision, dtype in PRECISIONS.items():
        ways[f"wide convolution, {precision}"] = wide_convolution(precision, setting)
        for inputs, outputs, side in setting.pick(((64, 128, 16), (128, 256, 8), (256, 512, 8)), ((4, 8, 8),)):
            maps, weight = (
                _random((count, inputs, side, side), dtype, setting),
                _random((outputs, inputs, 4, 4), dtype, setting),
            )
            name = f"convolution {inputs} to {outputs}, stride 2, of {side} pixels, {precision}"
            ways[name] = lambda maps=maps, weight=weight: conv2d(maps, weight, stride=2, padding=1)
        size = setting.pick(1024, 32)
        left, right = (torch.randn(size, size, device=setting.device).to(dtype) for _ in range(2))
        ways[f"matrix product of {size}, {precision}"] = lambda left=left, right=right: left @ right
    source = torch.zeros(setting.pick(2**26, 2**12), device=setting.device)
    target = torch.empty_like(source)
    seconds = in_turn(ways | {"copy": lambda: target.copy_(source)}, setting)
    figures = [
        Figure(name, round(operations(run) / seconds[name].cpu / 1e9, 1), "GFLOP/s") for name, run in ways.items()
    ]
    copied = 2 * source.numel() * source.element_size()
    return Report([*figures, Figure("copy", round(copied / seconds["copy"].cpu / 1e9, 1), "GB/s")], seconds)


def _random(shape: tuple[int, ...], dtype: torch.dtype, setting: Setting) -> Tensor:
    return torch.randn(shape, device=setting.device).to(dtype, memory_format=torch.channels_last)

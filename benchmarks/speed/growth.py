"""How time grows with the number of images, their pixels and the size of the code."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.speed.measuring import Figure, Report, Run, Setting, in_turn
from hizumi.detectors import GANomaly
from hizumi.detectors.ganomaly import GANomalyTraining

DRAWING = Path(__file__).parents[2] / "docs" / "speed_growth.svg"


def growth(setting: Setting) -> Report:
    """Scoring by GANomaly; the exponent of a power law through the times, 1 where they are in proportion."""
    width, side = setting.pick((32, 64), (4, 16))
    report = Report()
    curves: dict[str, tuple[Sequence[int], list[float]]] = {}
    axes: dict[str, tuple[Sequence[int], Callable[[int], Run]]] = {
        "images": (setting.pick((64, 128, 256, 512), (2, 4)), lambda count: _scoring(count, side, 100, width, setting)),
        "pixels": (
            [size**2 for size in setting.pick((32, 64, 128, 256), (16, 32))],
            lambda pixels: _scoring(setting.pick(16, 2), round(pixels**0.5), 100, width, setting),
        ),
        "latent size": (
            setting.pick((16, 64, 256, 1024), (4, 8)),
            lambda latent: _scoring(64, side, latent, width, setting),
        ),
    }
    for axis, (sizes, scoring) in axes.items():
        seconds = in_turn({str(size): scoring(size) for size in sizes}, setting)
        times = [timing.cpu for timing in seconds.values()]
        exponent = float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
        # A larger image halves once more on its way to the code, through layers of its own.
        report.figures.append(Figure(f"exponent of {axis}", exponent, "", at_most=1.1))
        report.seconds |= {f"{axis} {size}": timing for size, timing in seconds.items()}
        curves[axis] = sizes, times
    if not setting.smoke:
        _draw(curves)
    return report


def _scoring(count: int, side: int, latent: int, width: int, setting: Setting) -> Run:
    detector = GANomaly(GANomalyTraining(latent=latent, width=width)).prepare((1, side, side)).to(setting.device)
    images = torch.rand(count, 1, side, side, device=setting.device) * 2 - 1
    return lambda: detector.score(images)


def _draw(curves: dict[str, tuple[Sequence[int], list[float]]]) -> None:
    from matplotlib.figure import Figure as Drawing
    from matplotlib.ticker import NullFormatter, NullLocator

    drawing = Drawing(figsize=(9, 3), layout="constrained")
    for place, (axis, (sizes, times)) in zip(drawing.subplots(1, len(curves)), curves.items(), strict=True):
        place.loglog(sizes, times, "o-", label="measured")
        place.loglog(sizes, times[-1] * np.asarray(sizes) / sizes[-1], ":", label="in proportion")
        place.set_xticks(sizes, [f"{size:,}" for size in sizes])
        place.xaxis.set_minor_locator(NullLocator())
        place.yaxis.set_minor_formatter(NullFormatter())
        place.set(xlabel=axis, ylabel="seconds of CPU")
        place.legend()
    drawing.savefig(DRAWING, metadata={"Date": None})

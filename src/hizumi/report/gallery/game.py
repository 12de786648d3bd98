"""The two-player game in one dimension (Goodfellow et al. 2014, figure 1)."""

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes

from hizumi.models import GAN
from hizumi.report.gallery.pictures import gif
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import DEFECT, GOOD, HELD_OUT, INK, MUTED, new_figure, png

CENTRES, SPREAD = (-0.9, 1.1), 0.45  # of the data: two Gaussians
STEPS = 5000
MOMENTS_SHARES = (0.0, 0.01, 0.06, 1.0)
FRAMES = 48
SAMPLES = 20_000
CODES = torch.linspace(-2.2, 2.2, 23)
PLACES = torch.linspace(-3.5, 3.5, 281)
BINS = np.linspace(-3.5, 3.5, 71)


@dataclass(frozen=True, eq=False)
class Moment:
    """Discriminator, samples, and the places of CODES after some steps."""

    step: int
    discriminator: np.ndarray  # D(x) at PLACES
    samples: np.ndarray
    mapped: np.ndarray


def _density(places: np.ndarray) -> np.ndarray:
    """Density of the data."""
    peaks = [np.exp(-0.5 * ((places - centre) / SPREAD) ** 2) for centre in CENTRES]
    return np.asarray(sum(peaks) / (len(peaks) * SPREAD * np.sqrt(2 * np.pi)))


def _data(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.tensor(CENTRES)[torch.randint(len(CENTRES), (count,), generator=generator)]
    return (centres + SPREAD * torch.randn(count, generator=generator))[:, None]


def game(setting: Setting) -> dict[str, bytes]:
    """How the generator's density moves onto the data's while the discriminator flattens to one half."""
    model = GAN(latent=1, hidden=(64, 64), learning_rate=1e-3, beta1=0.0, discriminator_steps=3, average_decay=None)
    last = setting.steps(STEPS)
    wanted = sorted({max(1, round(last * share)) for share in (*MOMENTS_SHARES, *np.linspace(0, 1, FRAMES) ** 2)})
    moments: dict[int, Moment] = {}

    def watch(step: int) -> None:
        if step in wanted:
            moments[step] = _moment(model, step)

    setting.train(model, _data(SAMPLES, setting.seed), STEPS, batch_size=512, watch=watch)
    shown = [moments[max(1, round(last * share))] for share in MOMENTS_SHARES]
    figure = new_figure(10.2, 3.1, gap=0.08)
    grid = figure.subplots(1, len(shown), sharex=True, sharey=True)
    for axes, moment in zip(grid, shown, strict=True):
        _draw(axes, moment)
    grid[-1].legend(fontsize=8, loc="upper left", borderaxespad=0.1)
    return {"game.png": png(figure), "game.gif": gif([_frame(moments[step]) for step in wanted])}


@torch.no_grad()
def _moment(model: GAN, step: int) -> Moment:
    noise = torch.randn(SAMPLES, 1, generator=torch.Generator().manual_seed(1))
    return Moment(
        step,
        model.discriminator(PLACES[:, None]).sigmoid().numpy(),
        model.generator(noise)[:, 0].numpy(),
        model.generator(CODES[:, None])[:, 0].numpy(),
    )


def _frame(moment: Moment) -> bytes:
    figure = new_figure(4.4, 3.4)
    axes = figure.subplots()
    _draw(axes, moment)
    axes.legend(fontsize=8, loc="upper left", borderaxespad=0.1)
    return png(figure, 110)


def _draw(axes: Axes, moment: Moment) -> None:
    places = PLACES.numpy()
    counts, _ = np.histogram(moment.samples, BINS)
    centres = (BINS[:-1] + BINS[1:]) / 2
    axes.plot(places, _density(places), color=INK, linewidth=1.4, linestyle=(0, (1, 1.5)), label="data")
    axes.plot(centres, counts / len(moment.samples) / (BINS[1] - BINS[0]), color=GOOD, linewidth=1.8, label="generator")
    axes.plot(places, moment.discriminator, color=DEFECT, linewidth=1.4, linestyle="--", label="discriminator")
    axes.axhline(0.5, color=HELD_OUT, linewidth=0.7)
    for code, place in zip(CODES.numpy(), moment.mapped, strict=True):
        axes.plot([code, place], [-0.5, -0.12], color=MUTED, linewidth=0.7, clip_on=True)
    for height, name in ((-0.5, "z"), (-0.12, "x = G(z)")):
        axes.axhline(height, color=MUTED, linewidth=0.9)
        axes.text(-3.4, height + 0.01, name, color=MUTED, fontsize=9, va="bottom")
    axes.set(title=f"step {moment.step}", xlim=(-3.5, 3.5), ylim=(-0.55, 1.3), yticks=[0, 0.5, 1], xticks=[-2, 0, 2])
    axes.grid(visible=False)

"""Mode coverage of adversarial models (Srivastava et al. 2017, table 1; the ring is that of Metz et al. 2017)."""

import torch

from hizumi.data.toys import toy
from hizumi.evaluation.generation import mode_coverage
from hizumi.models import GAN, VEEGAN, WGANGP, AdaGAN, UnrolledGAN
from hizumi.models.adversarial import Adversarial
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import DEFECT, GOOD, new_figure, png

POINTS = 100_000
SAMPLES = 2500


def mode_collapse(setting: Setting) -> dict[str, bytes]:
    """Samples of each model on the ring of eight Gaussians, the modes it covers, and the share of samples on them."""
    target = toy("ring")
    points = torch.from_numpy(target.sample(POINTS, setting.seed))
    figure = new_figure(10.4, 2.5, gap=0.06)
    grid = figure.subplots(1, 5, sharex=True, sharey=True)
    runs: list[tuple[Adversarial, int, int]] = [  # model, steps, batch size
        (GAN(latent=2, hidden=(128, 128, 128), learning_rate=1e-3), 15_000, 256),
        (UnrolledGAN(latent=2, learning_rate=3e-3), 5000, 128),
        (VEEGAN(latent=2), 8000, 128),
        (WGANGP(latent=2, hidden=(128, 128, 128), learning_rate=1e-3, penalty_weight=0.1), 15_000, 256),
        (AdaGAN(generators=3, latent=2, learning_rate=3e-3), 12_000, 128),
    ]
    for axes, (model, steps, batch_size) in zip(grid, runs, strict=True):
        setting.train(model, points, steps, batch_size=batch_size)
        samples = model.sample(SAMPLES, setting.seed).numpy()
        coverage = mode_coverage(samples, target.centres, target.standard_deviation)
        axes.plot(*target.centres.T, "o", markersize=13, markerfacecolor="none", color=DEFECT, markeredgewidth=0.9)
        axes.plot(*samples.T, ".", markersize=2, color=GOOD, alpha=0.35)
        name = type(model).__name__
        words = f"{coverage.captured} of {coverage.modes} modes, {coverage.high_quality_share:.0%} on them"
        axes.set_title(f"{name}\n{words}", fontsize=9.5)
        axes.set(xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), xticks=[], yticks=[], box_aspect=1)
    return {"mode_collapse.png": png(figure)}

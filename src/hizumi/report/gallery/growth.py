"""A progressively grown generator (Karras et al. 2018)."""

import torch

from hizumi.models import ProgressiveGAN
from hizumi.report.gallery.pictures import show
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import new_figure, png, styled

STEPS = 3000
MOMENTS = 8
SAMPLES = 10


@styled
def growth(setting: Setting) -> dict[str, bytes]:
    """Samples of fixed codes at several moments of training, from 4 pixels to full size."""
    images, _, _ = setting.images()
    model = ProgressiveGAN(width=8, learning_rate=3e-3, average_decay=0.995)
    last = setting.steps(STEPS)
    wanted = sorted({max(1, round(last * (moment + 1) / MOMENTS)) for moment in range(MOMENTS)})
    rows = []

    def watch(step: int) -> None:
        if step in wanted:
            rows.append(model.sample(SAMPLES, seed=setting.seed))
            model.train()

    setting.train(model, images, STEPS, batch_size=32, watch=watch)
    figure = new_figure(0.5 * SAMPLES + 1.2, 0.5 * len(rows) + 0.1)
    show(figure.subplots(), torch.stack(rows), rows=[f"step {step}" for step in wanted])
    return {"growth.png": png(figure)}

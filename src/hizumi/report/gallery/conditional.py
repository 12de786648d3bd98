"""A class-conditional generator (Mirza & Osindero 2014)."""

import torch

from hizumi.models import ConditionalGAN
from hizumi.report.gallery.pictures import show
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import new_figure, png, styled

STEPS = 5000
SAMPLES = 12


@styled
def conditional(setting: Setting) -> dict[str, bytes]:
    """Samples of each kind, one row per kind."""
    images, kinds, names = setting.images()
    model = ConditionalGAN(classes=len(names), width=32)
    setting.train(model, (images, kinds), STEPS, batch_size=64)
    labels = torch.arange(len(names)).repeat_interleave(SAMPLES)
    samples = model.sample(len(labels), seed=setting.seed, labels=labels)
    figure = new_figure(0.45 * SAMPLES + 0.8, 0.45 * len(names) + 0.3)
    show(figure.subplots(), samples.reshape(len(names), SAMPLES, *images.shape[1:]), rows=names)
    return {"conditional.png": png(figure)}

"""Paired image translation (Isola et al. 2017)."""

import torch

from hizumi.models import Pix2Pix
from hizumi.report.gallery.pictures import show
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import new_figure, png, styled

STEPS = 3000
NOISE = 1.0  # standard deviation on the scale [-1, 1]
SHOWN = 12


@styled
def pairs(setting: Setting) -> dict[str, bytes]:
    """Images that the model has not seen: noisy, cleaned by the model, and the originals."""
    images, _, _ = setting.images()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(setting.seed))
    clean = images[order]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(setting.seed))
    noisy = clean + NOISE * noise
    model = Pix2Pix(width=32)
    setting.train(model, (noisy[SHOWN:], clean[SHOWN:]), STEPS, batch_size=16)
    with torch.no_grad():
        cleaned = model.eval().translate(noisy[:SHOWN])
    figure = new_figure(0.55 * SHOWN + 0.9, 1.9)
    rows = torch.stack([noisy[:SHOWN].clamp(-1, 1), cleaned, clean[:SHOWN]])
    show(figure.subplots(), rows, rows=["noisy", "cleaned", "truth"])
    return {"pairs.png": png(figure)}

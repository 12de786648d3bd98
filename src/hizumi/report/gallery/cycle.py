"""Unpaired translation with cycle consistency (Zhu et al. 2017)."""

import torch

from hizumi.models import CycleGAN
from hizumi.report.gallery.arithmetic import slant
from hizumi.report.gallery.pictures import show
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import new_figure, png, styled

STEPS = 3000
SHOWN = 12


@styled
def cycle(setting: Setting) -> dict[str, bytes]:
    """Images translated to the other set (here: slanted, colours inverted) and back, in both directions."""
    images, _, _ = setting.images()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(setting.seed))
    half = len(images) // 2
    first, second = images[order[:half]], images[order[half : 2 * half]]
    second = -slant(second)
    model = CycleGAN(width=8, warp=True, blocks=1, identity_weight=0.0, learning_rate=1e-3)
    setting.train(model, (first[SHOWN:], second[SHOWN:]), STEPS, batch_size=8)
    here, there = first[:SHOWN], second[:SHOWN]
    with torch.no_grad():
        over, back = model.eval().translate(here), model.translate_back(there)
        home, home_back = model.translate_back(over), model.translate(back)
    figure = new_figure(0.55 * SHOWN + 1.4, 3.9, gap=0.2)
    upper, lower = figure.subplots(2, 1)
    show(upper, torch.stack([here, over, home]), rows=["x", "G(x)", "F(G(x))"])
    show(lower, torch.stack([there, back, home_back]), rows=["y", "F(y)", "G(F(y))"])
    return {"cycle.png": png(figure)}

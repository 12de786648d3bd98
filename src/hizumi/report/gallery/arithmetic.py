"""Arithmetic on means of several codes, as single ones are too noisy (Radford et al. 2016, section 6.3)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from hizumi.models import VAE
from hizumi.report.gallery.pictures import show
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import new_figure, png, styled

STEPS = 5000
SLANT = 0.45  # columns to the right per row upwards
EXAMPLES = 40  # images of one kind whose codes are averaged
KINDS = 10


@styled
def arithmetic(setting: Setting) -> dict[str, bytes]:
    """The difference that slant makes to the mean code of one kind, added to the mean codes of all kinds."""
    upright, kinds, names = setting.images()
    slanted = slant(upright)
    model = VAE(latent=16, density="bernoulli", beta=0.5)
    setting.train(model, torch.cat([upright, slanted]), STEPS, batch_size=64)
    shown = range(min(KINDS, len(names)))

    def mean_code(images: Tensor, kind: int) -> Tensor:
        return model.encode(images[kinds == kind][:EXAMPLES]).mean(0)

    with torch.no_grad():
        before = torch.stack([mean_code(upright, kind) for kind in shown])
        truth = torch.stack([mean_code(slanted, kind) for kind in shown])
        moved = before + truth[0] - before[0]
        equation = model.decode(torch.stack([truth[0], before[0]]))
        rows = torch.stack([model.decode(codes) for codes in (before, moved, truth)])
    figure = new_figure(9.4, 2.4, gap=0.08)
    left, right = figure.subplots(1, 2, width_ratios=(2.6, len(shown)))
    show(left, equation[None], columns=[f"slanted {names[0]}", f"- upright {names[0]}"])
    labels = ("upright", "+ slanted - upright", "truly slanted")
    show(right, rows, rows=labels, columns=[names[kind] for kind in shown])
    return {"arithmetic.png": png(figure)}


def slant(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Images slanted to the right, their border values repeated at the sides."""
    matrix = torch.tensor([[1.0, SLANT, 0.0], [0.0, 1.0, 0.0]]).expand(len(images), 2, 3)
    places = affine_grid(matrix, list(images.shape), align_corners=False)
    return grid_sample(images, places, padding_mode="border", align_corners=False)

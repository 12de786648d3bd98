"""The manifold learned by a code of two numbers (Kingma & Welling 2014, figure 4)."""

import torch
from matplotlib import colormaps
from scipy.stats import norm

from hizumi.models import VAE
from hizumi.report.gallery.pictures import show
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import new_figure, png, styled

STEPS = 6000
SIDE = 16  # images along each axis of the code
POINTS = 2000


@styled
def manifold(setting: Setting) -> dict[str, bytes]:
    """Images decoded from a grid of codes, spaced as the prior's quantiles, beside the codes of real images."""
    images, kinds, names = setting.images()
    model = VAE(latent=2, density="bernoulli", learning_rate=2e-3)
    setting.train(model, images, STEPS, batch_size=64)
    quantiles = torch.from_numpy(norm.ppf((torch.arange(SIDE) + 0.5) / SIDE)).float()
    codes = torch.cartesian_prod(quantiles.flip(0), quantiles).flip(1)  # first number to the right, second upwards
    with torch.no_grad():
        decoded = model.decode(codes)
        means = model.encode(images[:POINTS])
    figure = new_figure(10.0, 4.9, gap=0.08)
    plane, points = figure.subplots(1, 2)
    show(plane, decoded.reshape(SIDE, SIDE, *images.shape[1:]), title="decoded from a grid of codes")
    colours = colormaps["tab10"] if len(names) <= 10 else colormaps["turbo"]
    for number, name in enumerate(names):
        x, y = means[kinds[:POINTS] == number].T
        colour = colours(number if len(names) <= 10 else number / len(names))
        points.scatter(x, y, s=7, color=colour, linewidths=0, alpha=0.7, label=name)
    points.set(title="codes of real images", xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), box_aspect=1)
    if len(names) <= 12:
        points.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2)
    return {"manifold.png": png(figure)}

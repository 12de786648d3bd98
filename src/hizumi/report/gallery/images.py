"""What models of images learn: a code and its arithmetic, classes, growth, and translation."""

import torch
from jaxtyping import Float
from matplotlib import colormaps
from scipy.stats import norm
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from hizumi.models import VAE, ConditionalGAN, CycleGAN, Pix2Pix, ProgressiveGAN
from hizumi.report.gallery.pictures import show
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import new_figure, png

SIDE = 16  # images along each axis of the plane of codes
POINTS = 2000  # real images whose codes are drawn
SLANT = 0.45  # columns to the right per row upwards
EXAMPLES = 40  # images of one kind whose codes are averaged
KINDS = 10  # at most, in the arithmetic
CLASS_SAMPLES = 12
MOMENTS, GROWING_SAMPLES = 8, 10
NOISE = 1.0  # standard deviation on the scale [-1, 1]
SHOWN = 12  # translated images


def manifold(setting: Setting) -> dict[str, bytes]:
    """Images decoded from a grid of codes, spaced as the prior's quantiles, beside the codes of real images.

    Kingma & Welling 2014, figure 4.
    """
    images, kinds, names = setting.images()
    model = VAE(latent=2, density="bernoulli", learning_rate=2e-3)
    setting.train(model, images, 6000, batch_size=64)
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


def arithmetic(setting: Setting) -> dict[str, bytes]:
    """The difference that slant makes to the mean code of one kind, added to the mean codes of all kinds.

    On means of several codes, as single ones are too noisy (Radford et al. 2016, section 6.3).
    """
    upright, kinds, names = setting.images()
    slanted = slant(upright)
    model = VAE(latent=16, density="bernoulli", beta=0.5)
    setting.train(model, torch.cat([upright, slanted]), 5000, batch_size=64)
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


def conditional(setting: Setting) -> dict[str, bytes]:
    """Samples of a class-conditional generator, one row per kind (Mirza & Osindero 2014)."""
    images, kinds, names = setting.images()
    model = ConditionalGAN(classes=len(names), width=32)
    setting.train(model, (images, kinds), 5000, batch_size=64)
    labels = torch.arange(len(names)).repeat_interleave(CLASS_SAMPLES)
    samples = model.sample(len(labels), seed=setting.seed, labels=labels)
    figure = new_figure(0.45 * CLASS_SAMPLES + 0.8, 0.45 * len(names) + 0.3)
    show(figure.subplots(), samples.reshape(len(names), CLASS_SAMPLES, *images.shape[1:]), rows=names)
    return {"conditional.png": png(figure)}


def growth(setting: Setting) -> dict[str, bytes]:
    """Samples of fixed codes while a generator grows from 4 pixels to full size (Karras et al. 2018)."""
    images, _, _ = setting.images()
    model = ProgressiveGAN(width=8, learning_rate=3e-3, average_decay=0.995)
    steps = 3000
    last = setting.steps(steps)
    wanted = sorted({max(1, round(last * (moment + 1) / MOMENTS)) for moment in range(MOMENTS)})
    rows = []

    def watch(step: int) -> None:
        if step in wanted:
            rows.append(model.sample(GROWING_SAMPLES, seed=setting.seed))
            model.train()

    setting.train(model, images, steps, batch_size=32, watch=watch)
    figure = new_figure(0.5 * GROWING_SAMPLES + 1.2, 0.5 * len(rows) + 0.1)
    show(figure.subplots(), torch.stack(rows), rows=[f"step {step}" for step in wanted])
    return {"growth.png": png(figure)}


def pairs(setting: Setting) -> dict[str, bytes]:
    """Images that the model has not seen: noisy, cleaned by the model, and the originals (Isola et al. 2017)."""
    clean = setting.shuffled_images(SHOWN + 1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(setting.seed))
    noisy = clean + NOISE * noise
    model = Pix2Pix(width=32)
    setting.train(model, (noisy[SHOWN:], clean[SHOWN:]), 3000, batch_size=16)
    with torch.no_grad():
        cleaned = model.eval().translate(noisy[:SHOWN])
    figure = new_figure(0.55 * SHOWN + 0.9, 1.9)
    rows = torch.stack([noisy[:SHOWN].clamp(-1, 1), cleaned, clean[:SHOWN]])
    show(figure.subplots(), rows, rows=["noisy", "cleaned", "truth"])
    return {"pairs.png": png(figure)}


def cycle(setting: Setting) -> dict[str, bytes]:
    """Images translated to the other set (here: slanted, colours inverted) and back, in both directions.

    Cycle consistency needs no pairs (Zhu et al. 2017).
    """
    images = setting.shuffled_images(2 * (SHOWN + 1))
    half = len(images) // 2
    first, second = images[:half], -slant(images[half : 2 * half])
    model = CycleGAN(width=8, warp=True, blocks=1, identity_weight=0.0, learning_rate=1e-3)
    setting.train(model, (first[SHOWN:], second[SHOWN:]), 3000, batch_size=8)
    here, there = first[:SHOWN], second[:SHOWN]
    with torch.no_grad():
        over, back = model.eval().translate(here), model.translate_back(there)
        home, home_back = model.translate_back(over), model.translate(back)
    figure = new_figure(0.55 * SHOWN + 1.4, 3.9, gap=0.2)
    upper, lower = figure.subplots(2, 1)
    show(upper, torch.stack([here, over, home]), rows=["x", "G(x)", "F(G(x))"])
    show(lower, torch.stack([there, back, home_back]), rows=["y", "F(y)", "G(F(y))"])
    return {"cycle.png": png(figure)}


def slant(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Images slanted to the right, their border values repeated at the sides."""
    matrix = torch.tensor([[1.0, SLANT, 0.0], [0.0, 1.0, 0.0]]).expand(len(images), 2, 3)
    places = affine_grid(matrix, list(images.shape), align_corners=False)
    return grid_sample(images, places, padding_mode="border", align_corners=False)

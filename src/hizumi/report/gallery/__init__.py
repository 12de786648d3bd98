"""Figures of the history of generative models, each drawn from models trained for it."""

from importlib import import_module

from hizumi.errors import UsageError
from hizumi.report.gallery.setting import Setting as Setting
from hizumi.report.style import styled

FIGURES = {
    "taxonomy": "the catalogue as a tree: what each model does about the density",
    "saturation": "saturating and non-saturating loss of the generator, and their gradients",
    "game": "the game in one dimension: generator, discriminator and data, moment by moment",
    "mode_collapse": "the ring of Gaussians as each adversarial model sees it, with the modes it covers",
    "manifold": "a two-dimensional code, decoded over its whole plane",
    "arithmetic": "arithmetic on mean codes: slanted ones - upright ones + other upright digits",
    "conditional": "samples of each class, a row a class",
    "growth": "a generator that grows from 4 pixels upwards",
    "pairs": "paired translation: noisy images, cleaned, beside the truth",
    "cycle": "unpaired translation, and the way back",
}

IN_MODULES_OF_THEIR_OWN = ("taxonomy", "saturation", "game", "mode_collapse")


@styled
def draw(name: str, setting: Setting) -> dict[str, bytes]:
    """Files of one figure, by file name: PNG, and GIF for animations. Raises UsageError for an unknown name."""
    if name not in FIGURES:
        raise UsageError(f"there is no figure {name!r}; there are {', '.join(FIGURES)}")
    home = import_module(f"hizumi.report.gallery.{name if name in IN_MODULES_OF_THEIR_OWN else 'images'}")
    files: dict[str, bytes] = getattr(home, name)(setting)
    return files

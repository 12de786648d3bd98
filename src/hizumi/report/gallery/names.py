"""Names of the gallery's figures, and what each shows."""

from hizumi.errors import UsageError

FIGURES = {
    "taxonomy": "the catalogue as a tree: what each model does about the density",
    "saturation": "saturating and non-saturating loss of the generator, and their gradients",
    "game": "the game in one dimension: generator, discriminator and data, moment by moment",
    "mode_collapse": "the ring of Gaussians as each adversarial model sees it, with the modes it covers",
    "manifold": "a two-dimensional code, decoded over its whole plane",
    "arithmetic": "arithmetic on mean codes: slanted - upright of one digit, + the others upright",
    "conditional": "samples of each class, a row a class",
    "growth": "a generator that grows from 4 pixels upwards",
    "pairs": "paired translation: noisy images, cleaned, beside the truth",
    "cycle": "unpaired translation, and the way back",
}


def refuse_unknown_figure(name: str) -> None:
    """Raise UsageError, with the names there are, for another."""
    if name not in FIGURES:
        raise UsageError(f"there is no figure {name!r}; there are {', '.join(FIGURES)}")

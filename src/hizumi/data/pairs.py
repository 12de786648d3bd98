"""Batches of inputs and targets: from paired folders, made from plain images, or from two unpaired sets.

Images and targets that are already two tensors do not need this module: pass them to `fit` as a tuple.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any

import torch
from annotated_types import Ge, Interval
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from hizumi.arguments import PositiveFloat, PositiveInt, check_arguments
from hizumi.data.seeds import seed_for
from hizumi.data.store import Store
from hizumi.data.stream import Batches, Together, View, Wrapped, as_source
from hizumi.errors import DataError, UsageError

Pairing = Callable[[Tensor, torch.Generator], Tensor]
"""From images (n, c, h, w) and a random generator to a model's inputs (n, k, h, w)."""


def paired(inputs: Store, targets: Store) -> Batches:
    """Pairs from two folders, matched by the files' names without their suffixes: a.jpg and a.png are a pair.

    A pair of which one image cannot be used is left out. Raises DataError when a name has no partner, or partners are
    not of one size.
    """
    items, partners = _by_stem(inputs), _by_stem(targets)
    _refuse_unmatched(items, inputs.manifest.name, partners, targets.manifest.name)
    _refuse_unmatched(partners, targets.manifest.name, items, inputs.manifest.name)
    both = ((own, partners[stem]) for stem, own in items.items())
    usable = [(own, partner) for own, partner in both if own is not None and partner is not None]
    if not usable:
        names = f"{inputs.manifest.name} and {targets.manifest.name}"
        raise DataError(f"{names}: both images can be used in none of the {len(items)} pairs; repair the damaged files")
    for own, partner in usable:
        (height, width), (its_height, its_width) = inputs.pixels(own).shape[:2], targets.pixels(partner).shape[:2]
        if (height, width) != (its_height, its_width):
            raise DataError(
                f"{inputs.name(own)} is {width}x{height} pixels, its partner {targets.name(partner)} "
                f"{its_width}x{its_height}; save pairs at one size, or set an image size for all"
            )
    own_indices, partner_indices = torch.tensor(usable).T
    return Together(View(inputs, indices=own_indices), View(targets, indices=partner_indices))


class SideBySide(Wrapped):
    """Pairs from images of two halves, A left and B right, as in the data sets of pix2pix.

    Args:
        source: Whole images (n, c, h, 2w); a store of them has twice the width of the model's images.
        backwards: From B to A.
    """

    def __init__(self, source: Batches | Tensor, backwards: bool = False) -> None:
        source = as_source(source)
        if isinstance(source, Store) and source.sizing is not None and source.sizing.mode == "tile":
            raise UsageError("tiles would cut through images that lie side by side; use the sizing mode 'resize'")
        if len(source.shape) != 3 or source.shape[2] % 2:
            shape = "x".join(map(str, source.shape))
            raise DataError(f"items of {shape} are not two images side by side; their width must be even")
        super().__init__(source, (*source.shape[:2], source.shape[2] // 2))
        self.backwards = backwards

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Left and right halves, or the other way round."""
        left, right = self.source.batch(indices, generator).chunk(2, dim=3)
        return (right, left) if self.backwards else (left, right)


class Unpaired(Wrapped):
    """All items of one set in each epoch, with as many drawn at random from another.

    Args:
        first: A tensor or any source.
        second: A tensor or source of equal item shape and any length.
    """

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__(as_source(first))
        self.other = as_source(second)
        if self.shape != self.other.shape:
            shapes = ["x".join(map(str, source.shape)) for source in (self, self.other)]
            raise DataError(f"one set holds items of {shapes[0]}, the other of {shapes[1]}; bring both to one shape")

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Items `indices` of the first set, random ones of the second; without a generator, those of equal index."""
        if generator is None:
            others = torch.as_tensor(indices) % len(self.other)
        else:
            others = torch.randint(len(self.other), (len(indices),), generator=generator)
        return self.source.batch(indices, generator), self.other.batch(others, generator)


class ReadyMade(Wrapped):
    """Pairs made from plain images: (inputs made by the pairing, the images).

    Randomness comes from the generator passed to `batch`, so that training resumes exactly. Without one, each item is
    seeded by its own index, so its pair does not depend on the batch.
    """

    def __init__(self, source: Batches | Tensor, pairing: Pairing) -> None:
        source = as_source(source)
        if len(source.shape) != 3:
            raise DataError(f"pairs are made from images (c, h, w), not from items of shape {source.shape}")
        super().__init__(source, tuple(pairing(torch.zeros(1, *source.shape), torch.Generator()).shape[1:]))
        self.pairing = pairing

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Inputs and targets."""
        targets = self.source.batch(indices, generator)
        if generator is not None:
            return self.pairing(targets, generator), targets
        own = [torch.Generator().manual_seed(seed_for("pairs", int(index))) for index in indices]
        inputs = [self.pairing(target, chance) for target, chance in zip(torch.split(targets, 1), own, strict=True)]
        return torch.cat(inputs), targets


@dataclass(frozen=True)
class Denoise:
    """From an image with Gaussian noise; `noise` is its standard deviation for images in [0, 1].

    Nothing is clipped: noisy values may leave the range.
    """

    noise: PositiveFloat = 0.1

    def __post_init__(self) -> None:
        check_arguments(self)

    def __call__(self, images: Float[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Noisy images."""
        return images + 2 * self.noise * torch.randn(images.shape, generator=generator)


@dataclass(frozen=True)
class SuperResolve:
    """From an image scaled down by `factor` on each side and enlarged again."""

    factor: Annotated[int, Ge(2)] = 2

    def __post_init__(self) -> None:
        check_arguments(self)

    def __call__(self, images: Float[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Blurred images: means of factor x factor pixels, enlarged bilinearly."""
        height, width = images.shape[2:]
        small = interpolate(images, (-(-height // self.factor), -(-width // self.factor)), mode="area")
        return interpolate(small, (height, width), mode="bilinear")


@dataclass(frozen=True)
class Colour:
    """From the grey version of a colour image."""

    def __call__(self, images: Float[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n 1 h w"]:
        """Luma by the weights of ITU-R BT.601."""
        if images.shape[1] != 3:
            raise DataError(f"images of {images.shape[1]} channels have no colours to learn; give images of 3")
        red, green, blue = images.chunk(3, dim=1)
        return 0.299 * red + 0.587 * green + 0.114 * blue


@dataclass(frozen=True)
class Inpaint:
    """From an image with random rectangles set to 0, the middle of the range.

    Args:
        boxes: Rectangles in each image; they may overlap.
        largest: Largest height and width as a share of the image's; the smallest is half of it.
    """

    boxes: PositiveInt = 1
    largest: Annotated[float, Interval(gt=0, le=1)] = 0.5

    def __post_init__(self) -> None:
        check_arguments(self)

    def __call__(self, images: Float[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Images with zeros in the boxes."""
        shape = (len(images), 1, self.boxes)
        rows = self._extent(images.shape[2], torch.rand(2, *shape, generator=generator))
        columns = self._extent(images.shape[3], torch.rand(2, *shape, generator=generator))
        missing = (rows[..., :, None] & columns[..., None, :]).any(2)
        return images.masked_fill(missing, 0.0)

    def _extent(self, size: int, uniform: Tensor) -> Tensor:
        """Pixels (..., size) of one side that a box covers; `uniform` (2, ...) draws its length and its start."""
        lengths = (size * self.largest * (1 + uniform[0]) / 2).round().clamp(min=1)
        starts = ((size - lengths + 1) * uniform[1]).floor()
        pixels = torch.arange(size)
        return (pixels >= starts[..., None]) & (pixels < (starts + lengths)[..., None])


PAIRINGS: dict[str, type[Denoise | SuperResolve | Colour | Inpaint]] = {
    "denoise": Denoise,
    "super-resolve": SuperResolve,
    "colour": Colour,
    "inpaint": Inpaint,
}
"""The ready-made pairings by name."""


def _by_stem(store: Store) -> dict[str, int | None]:
    """Item of the store by the record's name without suffix; None for a record that could not be used."""
    stems = [str(PurePath(record.name).with_suffix("")) for record in store.manifest.records]
    if twice := [stem for stem, count in Counter(stems).items() if count > 1]:
        raise DataError(f"{store.manifest.name}: two images are called {twice[0]!r}; each pair needs a name of its own")
    items = {number: item for item, number in enumerate(store.kept)}
    return {stem: items.get(number) for number, stem in enumerate(stems)}


def _refuse_unmatched(
    items: dict[str, int | None], name: str, partners: dict[str, int | None], other_name: str
) -> None:
    if alone := [stem for stem in items if stem not in partners]:
        raise DataError(
            f"{name}: {len(alone)} of {len(items)} images have no partner of the same name in {other_name}, "
            f"the first is {alone[0]!r}; add it there, or remove it here"
        )

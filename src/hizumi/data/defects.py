"""Drawn defects: for the built-in photographs with the exact mask of the damage, and scratches for any image."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from hizumi.shapes import Bool, Float, Shaped, UInt8

BARELY_VISIBLE = 0.15
"""Opacity below which a pixel is left untouched, so that the mask is exactly where the image was changed."""


def draw(
    kind: str, image: UInt8[np.ndarray, "h w"], generator: np.random.Generator
) -> tuple[UInt8[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """The image with one defect of a kind (a key of DEFECTS), and True where it was painted over."""
    clean = image.astype(np.float64)
    paint, opacity = DEFECTS[kind](clean, generator)
    opacity = np.where(opacity < BARELY_VISIBLE, 0.0, opacity)
    painted = np.rint(clean + opacity * (paint - clean)).clip(0, 255).astype(np.uint8)
    return painted, opacity > 0


CONTRAST = 0.25  # of the range that most pixels of an image use


def scratched(
    crop: Shaped[np.ndarray, "c h w"],
    length: int,
    limits: tuple[float, float],
    generator: np.random.Generator,
    inside: Bool[np.ndarray, "h w"] | None = None,
    contrast: float = CONTRAST,
) -> Shaped[np.ndarray, "c h w"]:
    """An image of any type with one straight scratch of this many pixels at a random place, darker or lighter.

    It differs from what it crosses by a share of the range that most of the image's pixels use, within `limits`.
    Where only some pixels are to be drawn on, its middle lies `inside`, if there is room, and nothing of it outside.
    """
    side, angle = length + 4, generator.uniform(0, np.pi)
    along = np.linspace(-0.5, 0.5, 2 * length)[:, np.newaxis] * (length - 1)
    line = (side - 1) / 2 + along * np.array([np.sin(angle), np.cos(angle)])
    return _painted(crop, _stroke((side, side), line, 2.0, np.ones(len(line))), contrast, limits, generator, inside)


def spotted(
    crop: Shaped[np.ndarray, "c h w"],
    diameter: int,
    limits: tuple[float, float],
    generator: np.random.Generator,
    inside: Bool[np.ndarray, "h w"] | None = None,
    contrast: float = CONTRAST,
) -> Shaped[np.ndarray, "c h w"]:
    """As `scratched`, with one round spot, whose edge is soft."""
    side = diameter + 4
    centre = np.full((1, 2), (side - 1) / 2)
    return _painted(crop, _stroke((side, side), centre, diameter, np.ones(1)), contrast, limits, generator, inside)


def _painted(
    crop: np.ndarray,
    opacity: np.ndarray,
    contrast: float,
    limits: tuple[float, float],
    generator: np.random.Generator,
    inside: np.ndarray | None,
) -> np.ndarray:
    """The image with a square of this opacity at a random place."""
    side = len(opacity)
    top, left = (int(generator.integers(0, size - side + 1)) for size in crop.shape[1:])
    if inside is not None and (middles := np.argwhere(inside[side // 2 : -(side // 2), side // 2 : -(side // 2)])).size:
        top, left = middles[generator.integers(len(middles))].tolist()
    place = np.s_[:, top : top + side, left : left + side]
    crossed = crop[place].astype(np.float64)
    darkest, lightest = np.percentile(crop, (1, 99))
    shift = contrast * (lightest - darkest)
    level = crossed.mean()
    if level + shift > limits[1] or (level - shift >= limits[0] and generator.random() < 0.5):
        shift = -shift
    painted = (crossed + opacity * shift).clip(*limits)
    damaged = crop.copy()
    damaged[place] = np.rint(painted) if crop.dtype.kind in "iu" else painted
    return damaged if inside is None else np.where(inside, damaged, crop)


def _scratch(image: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A thin, slightly bent line, lighter or darker than what it crosses, fading towards its ends."""
    start, angle = _middle(image, generator), generator.uniform(0, 2 * np.pi)
    length, bend = generator.uniform(26, 52), generator.uniform(-9, 9)
    along = np.linspace(-0.5, 0.5, 90)[:, np.newaxis]
    direction = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([direction[1], -direction[0]])
    line = start + along * length * direction + (4 * along**2) * bend * across
    strength = generator.uniform(0.6, 1.0) * (1 - (2 * np.abs(along[:, 0])) ** 4 * 0.5)
    opacity = _stroke(image.shape, line, generator.uniform(1.2, 2.2), strength)
    shift = generator.choice([-1, 1], p=[0.35, 0.65]) * generator.uniform(45, 85)
    return image + shift, opacity


def _crack(image: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A dark random walk with branches, each thinner than the one it leaves."""
    branches = [_walk(_middle(image, generator), generator.uniform(0, 2 * np.pi), 34, generator)]
    branches.append(_walk(branches[0][0], generator.uniform(0, 2 * np.pi), 12, generator))
    for _ in range(int(generator.integers(1, 4))):
        stem = branches[0]
        root = int(generator.integers(5, len(stem) - 5))
        heading = np.arctan2(*(stem[root] - stem[root - 3])) + generator.choice([-1, 1]) * generator.uniform(0.5, 1.1)
        branches.append(_walk(stem[root], heading, int(generator.integers(8, 18)), generator))
    opacity = np.zeros(image.shape)
    for order, branch in enumerate(branches):
        width = np.linspace(2.1 if order == 0 else 1.4, 0.8, len(branch))
        opacity = np.maximum(opacity, _stroke(image.shape, branch, width, np.ones(len(branch))))
    return image * generator.uniform(0.15, 0.5), opacity * generator.uniform(0.75, 1.0)


def _stain(image: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A soft-edged spot, darker or lighter, through which the texture still shows."""
    inside = _blob(image, generator, generator.uniform(4.5, 8.0), roughness=0.16)
    opacity = np.clip(inside / generator.uniform(2.5, 5.0) + 0.5, 0, 1)
    shift = generator.choice([-1, 1], p=[0.6, 0.4]) * generator.uniform(28, 62)
    level = ndimage.gaussian_filter(image, 6)
    return level + 0.65 * (image - level) + shift, opacity * generator.uniform(0.8, 1.0)


def _chip(image: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A missing piece: a flat floor below the surface, one side of its edge lit and the other in shadow."""
    inside = _shard(image, generator, generator.uniform(4.5, 7.5))
    level = ndimage.gaussian_filter(image, 6)
    floor = level - generator.uniform(18, 45) + ndimage.gaussian_filter(generator.normal(0, 8, image.shape), 0.8)
    down, right = np.gradient(ndimage.gaussian_filter(inside, 0.7))
    light = generator.uniform(0, 2 * np.pi)
    wall = np.exp(-(((inside - 0.7) / 0.9) ** 2)) * (np.sin(light) * down + np.cos(light) * right)
    return floor + 75 * wall, np.clip(inside + 0.5, 0, 1)


def _smear(image: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A patch dragged in one direction, which removes its texture and keeps its brightness."""
    inside = _blob(image, generator, generator.uniform(6.0, 9.0), roughness=0.15)
    angle = generator.uniform(0, 180)
    turned = ndimage.rotate(image, angle, reshape=False, mode="reflect", order=1)
    dragged = ndimage.gaussian_filter(turned, (0.8, generator.uniform(4, 7)), mode="reflect")
    dragged = ndimage.rotate(dragged, -angle, reshape=False, mode="reflect", order=1)
    shift = generator.choice([-1, 1]) * generator.uniform(12, 24)
    return dragged + shift, np.clip(inside / 2 + 0.5, 0, 1)


DEFECTS: dict[str, Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]] = {
    "scratch": _scratch,
    "crack": _crack,
    "stain": _stain,
    "chip": _chip,
    "smear": _smear,
}


def _middle(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random point away from the border: (row, column) in pixels."""
    return np.array([generator.uniform(0.22, 0.78) * side for side in image.shape])


def _walk(start: np.ndarray, heading: float, steps: int, generator: np.random.Generator) -> Float[np.ndarray, "n 2"]:
    headings = heading + np.cumsum(generator.normal(0, 0.32, steps))
    steps_taken = np.stack([np.sin(headings), np.cos(headings)], axis=1)
    return np.asarray(start + np.cumsum(steps_taken, axis=0))


def _stroke(
    shape: tuple[int, ...], line: np.ndarray, width: float | np.ndarray, strength: np.ndarray
) -> Float[np.ndarray, "h w"]:
    """Opacity of a line through points (n, 2), with smooth edges; width (pixels) and strength per point."""
    rows, columns = np.indices(shape[:2])
    distance = np.hypot(rows[..., np.newaxis] - line[:, 0], columns[..., np.newaxis] - line[:, 1])
    opacity: np.ndarray = (strength * np.clip(np.asarray(width) / 2 + 0.5 - distance, 0, 1)).max(axis=2)
    return opacity


def _shard(image: np.ndarray, generator: np.random.Generator, radius: float) -> Float[np.ndarray, "h w"]:
    """Signed distance in pixels to the border (positive: inside) of an intersection of half-planes."""
    rows, columns = np.indices(image.shape)
    row, column = _middle(image, generator)
    sides = int(generator.integers(4, 8))
    angles = 2 * np.pi * (np.arange(sides) + generator.uniform(-0.35, 0.35, sides)) / sides
    reach = radius * generator.uniform(0.7, 1.3, sides)
    towards = (rows - row)[..., np.newaxis] * np.sin(angles) + (columns - column)[..., np.newaxis] * np.cos(angles)
    return np.asarray((reach - towards).min(axis=2) + generator.normal(0, 0.25, image.shape))


def _blob(
    image: np.ndarray, generator: np.random.Generator, radius: float, roughness: float
) -> Float[np.ndarray, "h w"]:
    """Signed distance in pixels to the edge (positive: inside) of a round shape of relative `roughness`."""
    rows, columns = np.indices(image.shape)
    row, column = _middle(image, generator)
    stretch = generator.uniform(0.75, 1.3)
    down, right = (rows - row) * stretch, (columns - column) / stretch
    angle = np.arctan2(down, right)
    waves = [
        generator.normal(0, roughness / order) * np.cos(order * angle + generator.uniform(0, 2 * np.pi))
        for order in range(2, 7)
    ]
    edge = radius * np.maximum(0.4, 1 + sum(waves))
    return np.asarray(edge - np.hypot(down, right))

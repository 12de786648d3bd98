"""Alignment: each image is turned and shifted so that its part lies as in a reference, and its maps are brought back.

Rigid registration by cross-correlation, over all angles, then over finer ones, then by fractions of a pixel
(Guizar-Sicairos, Thurman and Fienup, "Efficient subpixel image registration algorithms", 2008).
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any, NamedTuple, Self

import numpy as np

from hizumi.data.areas import Drawn
from hizumi.data.pose import UPRIGHT, Pose, warped
from hizumi.data.region import Region
from hizumi.data.sizing import Sizing
from hizumi.data.surroundings import Surroundings
from hizumi.errors import DataError, MissingExtraError
from hizumi.shapes import Bool, Float, Shaped, UInt8

SIDE = 128  # pixels: the longer side at which images are compared
COARSE_DEGREES = 5  # between the angles that are tried at half that size
FINER_DEGREES = (1.0, 0.2)  # between those that are then tried around the best one
SUBPIXEL = 20  # parts of a pixel
BLUR = 1.0  # pixels: noise would favour angles at which interpolation smoothes it
CANDIDATES = 7  # images, of which the one that agrees best with the others is the reference
FAR_OUT = 3  # interquartile ranges below the lower quartile (Tukey, "Exploratory data analysis", 1977)
NEARLY = 0.95  # of the largest correlation at any angle: others of it are refined as well
AS_GOOD = 1.1  # times the least that a pose leaves unlike (1 - correlation squared): no reason to turn farther
LOW_AGREEMENT = 0.5  # below which the reference says little of other images
OUTSIDE = 0.05  # share of an image that its alignment moves out of view, from which on it is said
FLATTEST = 1e-3  # of the largest energy of a region's pixels: less is no part, and not divided by
NOT_ALIGNED = "could not be aligned with the reference part, and is judged as it lies"
PARTLY_OUTSIDE = "a part of it was moved out of view by its alignment, and is not judged"


class Registration(NamedTuple):
    """How a part lies, and the correlation of the aligned image with the reference, from -1 to 1."""

    pose: Pose
    agreement: float


@dataclass(frozen=True, eq=False)
class Alignment:
    """A reference, learned from good images, and how well an image must agree with it once it is aligned.

    `reference` is small and grey; `size` is the (height, width) of the images that it was made of, which all others
    must have. `typical` is the median agreement of good images, `least` the one below which an image is far out. Of a
    region of interest, `inside` is the part that is compared, as large as the reference; None: all of it. What lies
    outside of an image once it is aligned is filled from `surroundings`; None, as in bundles of earlier versions: with
    its border.
    """

    reference: UInt8[np.ndarray, "h w"]
    size: tuple[int, int]
    typical: float
    least: float
    inside: Bool[np.ndarray, "h w"] | None = None
    surroundings: Surroundings | None = None

    @classmethod
    def of(cls, images: Iterable[np.ndarray], region: Region | None = None) -> Self:
        """From good images (h, w, c) of one size: the reference is the one that agrees best with some of the others."""
        sizes, small, coloured, inside = [], [], [], None
        for image in images:  # one at a time: they may be large
            if region is not None and inside is None and (drawn := region.drawn(image)) is not None:
                inside = Sizing(*_small_size(*drawn.shape)).fit(drawn[..., np.newaxis].astype(np.float32))[..., 0] > 0.5
            sizes.append((image.shape[0], image.shape[1]))
            small.append(_small(image))
            coloured.append(Surroundings.small(image))
        if not small:
            raise DataError("none of the images that a reference is chosen from can be read; leave --align out")
        if len(set(sizes)) > 1:
            found = " and ".join(f"{width}x{height}" for height, width in sorted(set(sizes))[:2])
            raise DataError(f"images of several sizes, such as {found}, cannot be aligned; leave --align out (`align`)")
        some = small[:CANDIDATES]
        agreements = np.eye(len(some))
        for one, first in enumerate(some):
            search = _Search(first, inside)
            for other in range(one):
                agreements[one, other] = agreements[other, one] = search.registered(some[other]).agreement
        chosen = int(agreements.sum(0).argmax())
        reference = _quantised(some[chosen])
        search = _Search(reference.astype(np.float64), inside)
        registered = [search.registered(other) for other in small]
        typical, least = _typical_and_least(
            [each.agreement for place, each in enumerate(registered) if place != chosen]
        )
        poses = [each.pose if each.agreement >= least else UPRIGHT for each in registered]
        surroundings = Surroundings.of(zip(coloured, poses, strict=True))
        return cls(reference, sizes[0], typical, least, inside, surroundings)

    def pose_of(self, pixels: Shaped[np.ndarray, "h w c"], name: str) -> tuple[Pose, tuple[str, ...]]:
        """How a part lies, and notes: that of one that agrees too little with the reference is left as it is."""
        if pixels.shape[:2] != self.size:
            sizes = [f"{width}x{height}" for height, width in (pixels.shape[:2], self.size)]
            raise DataError(f"{name}: is {sizes[0]} pixels, and is to be aligned with parts of {sizes[1]}; give such")
        found = self._search.registered(_small(pixels))
        if found.agreement < self.least:
            return UPRIGHT, (NOT_ALIGNED,)
        outside = found.pose.share_outside(*self.reference.shape)
        return found.pose, (PARTLY_OUTSIDE,) if outside > OUTSIDE else ()

    def laid(
        self, pixels: Shaped[np.ndarray, "h w c"], pose: Pose
    ) -> tuple[Shaped[np.ndarray, "h w c"], Bool[np.ndarray, "h w"]]:
        """The image as the reference lies, and which of its pixels were recorded; all others are `surroundings`."""
        in_view, aligned = pose.in_view(*pixels.shape[:2]), pose.aligned(pixels)
        return (aligned if self.surroundings is None else self.surroundings.around(aligned, in_view)), in_view

    @property
    def agreement(self) -> dict[str, float]:
        """Of good images with the reference: what is usual, and the least at which an image is aligned."""
        return {"typical": self.typical, "least": self.least}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the reference."""
        if self.typical >= LOW_AGREEMENT:
            return ()
        return (
            f"good images hardly agree with one another once they are aligned (correlation {self.typical:.2f}): they "
            "may show no single part, and are then better left as they lie, without --align (`align`)",
        )

    @property
    def key(self) -> str:
        """Tells alignments apart."""
        return hashlib.sha256(json.dumps(self.to_dict()).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "height": self.size[0],
            "width": self.size[1],
            "typical": self.typical,
            "least": self.least,
            "reference_height": self.reference.shape[0],
            "reference_width": self.reference.shape[1],
            "reference": base64.b64encode(self.reference.tobytes()).decode(),
            "inside": None if self.inside is None else Drawn(self.inside).to_dict(),
            "surroundings": None if self.surroundings is None else self.surroundings.to_dict(),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; raises ValueError where the reference is not of its size."""
        pixels = np.frombuffer(base64.b64decode(plain["reference"], validate=True), dtype=np.uint8)
        reference = pixels.reshape(plain["reference_height"], plain["reference_width"])
        size = plain["height"], plain["width"]
        if reference.shape != _small_size(*size):
            raise ValueError("the reference of the alignment is not of its size")
        inside = None if plain.get("inside") is None else Drawn.from_dict(plain["inside"]).mask
        if inside is not None and (inside.shape != reference.shape or not inside.any()):
            raise ValueError("the region of the alignment is not that of its reference")
        around = plain.get("surroundings")
        surroundings = None if around is None else Surroundings.from_dict(around)
        return cls(reference, size, plain["typical"], plain["least"], inside, surroundings)

    @cached_property
    def _search(self) -> "_Search":
        if find_spec("skimage") is None:  # as beside an exported bundle
            raise MissingExtraError("alignment needs scikit-image: pip install scikit-image")
        return _Search(self.reference.astype(np.float64), self.inside)


class _Search:
    """Registers images with one reference, of which it keeps the spectra at all coarse angles."""

    def __init__(self, reference: Float[np.ndarray, "h w"], inside: Bool[np.ndarray, "h w"] | None = None) -> None:
        self.reference = reference
        self.inside = inside
        self.centred = _centred(reference)
        half_inside = None if inside is None else _halved(inside.astype(np.float64)) > 0.5
        self.coarse = {
            degrees: _Template.of(_halved(self.centred), half_inside, degrees)
            for degrees in range(-180, 180, COARSE_DEGREES)
        }

    def registered(self, image: Float[np.ndarray, "h w"]) -> Registration:
        """The least turn, and then the image as it lies, of all poses that leave hardly more unlike than the best does.

        A round part agrees as well at any angle, and noise would choose one.
        """
        centred = _centred(image)
        spectra = self._spectra(centred)
        turns = {0.0, *(self._refined(spectra, degrees) for degrees in self._coarse_turns(centred))}
        poses = [UPRIGHT, *(self._shifted(centred, degrees) for degrees in sorted(turns, key=abs))]
        # Of smoothed images: any pose but a whole number of pixels smoothes, and so takes off noise.
        agreements = [_agreement(pose, centred, self.centred, self.inside) for pose in poses]
        unlike = [1 - max(agreement, 0.0) ** 2 for agreement in agreements]
        pose = next(pose for pose, each in zip(poses, unlike, strict=True) if each <= AS_GOOD * min(unlike))
        return Registration(pose, _agreement(pose, image, self.reference, self.inside))

    def _coarse_turns(self, centred: Float[np.ndarray, "h w"]) -> set[int]:
        """The one that agrees best, and the least of other peaks that are nearly as high, as of a square part."""
        half = self._spectra(_halved(centred))
        peaks = {degrees: float(template.correlations(half).max()) for degrees, template in self.coarse.items()}
        turns, heights = list(peaks), np.array(list(peaks.values()))
        tops = (heights >= np.maximum(np.roll(heights, 1), np.roll(heights, -1))) & (heights >= NEARLY * heights.max())
        return {turns[int(heights.argmax())], min((turns[top] for top in np.flatnonzero(tops)), key=abs)}

    def _refined(self, spectra: "_Spectra", degrees: float) -> float:
        """The turn around a coarse one that agrees best, from -180 to 180 degrees."""
        best, reach = degrees, float(COARSE_DEGREES)
        for step in FINER_DEGREES:
            tried = best + np.arange(-reach, reach + step / 2, step)
            peaks = [float(self._template(each).correlations(spectra).max()) for each in tried]
            place = int(np.argmax(peaks))
            best, reach = float(tried[place]) + step * _vertex(peaks, place), step
        return (best + 180) % 360 - 180

    def _spectra(self, image: Float[np.ndarray, "h w"]) -> "_Spectra":
        return _Spectra(_spectrum(image), None if self.inside is None else _spectrum(image**2))

    def _template(self, degrees: float) -> "_Template":
        return _Template.of(self.centred, self.inside, degrees)

    def _shifted(self, centred: Float[np.ndarray, "h w"], degrees: float) -> Pose:
        height, width = centred.shape
        if self.inside is None:
            from skimage.registration import phase_cross_correlation

            padding = ((0, height), (0, width))  # without it, what leaves at one side would come back at the other
            pair = (np.pad(each, padding) for each in (centred, turned(self.centred, degrees)))
            (down, right), _, _ = phase_cross_correlation(*pair, upsample_factor=SUBPIXEL, normalization=None)
        else:  # the former knows regions, and then no parts of pixels
            down, right = _place_of_peak(self._template(degrees).correlations(self._spectra(centred)))
        return Pose(degrees, float(down) / height, float(right) / width)


class _Spectra(NamedTuple):
    """Of an image, and where there is a region, of its square."""

    itself: np.ndarray
    squared: np.ndarray | None


class _Template(NamedTuple):
    """A turned reference as the conjugate of its spectrum, and that of its region and the number of pixels in it.

    With a region, the correlations are normalised by what the image has in it at each shift, so that something bright
    elsewhere attracts nothing (Padfield, "Masked object registration in the Fourier domain", 2012).
    """

    pattern: np.ndarray
    region: np.ndarray | None
    area: float

    @classmethod
    def of(
        cls, centred: Float[np.ndarray, "h w"], inside: Bool[np.ndarray, "h w"] | None, degrees: float
    ) -> "_Template":
        pattern = turned(centred, degrees)
        if inside is None:
            return cls(np.conj(_spectrum(_unit(pattern))), None, 0.0)
        seen = turned(inside.astype(np.float64), degrees) > 0.5
        pattern = np.where(seen, pattern - pattern[seen].mean(), 0.0) if seen.any() else np.zeros_like(pattern)
        return cls(np.conj(_spectrum(_unit(pattern))), np.conj(_spectrum(seen.astype(np.float64))), float(seen.sum()))

    def correlations(self, image: _Spectra) -> Float[np.ndarray, "h2 w2"]:
        """At each shift; those to above and to the left come last."""
        from scipy.fft import irfft2

        products = irfft2(image.itself * self.pattern)
        if self.region is None or image.squared is None or self.area == 0:
            return np.asarray(products)
        total, squares = irfft2(image.itself * self.region), irfft2(image.squared * self.region)
        energy = squares - total**2 / self.area
        return np.asarray(products / np.sqrt(np.maximum(energy, FLATTEST * energy.max())))


def turned(reference: Float[np.ndarray, "h w"], degrees: float) -> Float[np.ndarray, "h w"]:
    """The reference as it would be seen in an image whose part is turned; 0 outside."""
    matrix = Pose(-degrees).matrix(*reference.shape)
    return warped(reference[:, :, np.newaxis], matrix, mode="constant", order=1)[:, :, 0]


def _small(pixels: Shaped[np.ndarray, "h w c"]) -> Float[np.ndarray, "h2 w2"]:
    grey = pixels.astype(np.float32).mean(axis=2, keepdims=True)
    return Sizing(*_small_size(*grey.shape[:2])).fit(grey)[:, :, 0].astype(np.float64)


def _small_size(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, SIDE / max(height, width))
    return max(2, round(height * scale)), max(2, round(width * scale))


def _quantised(image: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    span = max(float(image.max() - image.min()), 1e-12)
    return np.rint(255 * (image - image.min()) / span).astype(np.uint8)


def _centred(image: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Smoothed, and relative to what lies around the part, so that nothing is outside the image."""
    from scipy.ndimage import gaussian_filter

    image = gaussian_filter(image, BLUR)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return image - float(np.median(border))


def _halved(image: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h2 w2"]:
    height, width = (side // 2 * 2 for side in image.shape)
    return image[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


def _unit(image: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    return image / max(float(np.linalg.norm(image)), 1e-12)


def _spectrum(image: Float[np.ndarray, "h w"]) -> np.ndarray:
    from scipy.fft import next_fast_len, rfft2

    sides = [next_fast_len(2 * side, real=True) for side in image.shape]
    return np.asarray(rfft2(image, sides))


def _place_of_peak(correlations: Float[np.ndarray, "h w"]) -> tuple[float, float]:
    """The shift down and to the right at which they are largest, by fractions of a pixel."""
    place = np.unravel_index(int(correlations.argmax()), correlations.shape)
    found = []
    for axis, side in enumerate(correlations.shape):
        beside = [
            tuple((np.array(place) + step * np.eye(2, dtype=int)[axis]) % correlations.shape) for step in (-1, 0, 1)
        ]
        shift = int(place[axis]) if place[axis] < side / 2 else int(place[axis]) - side
        found.append(shift + _vertex([float(correlations[each]) for each in beside], 1))
    return found[0], found[1]


def _vertex(values: Sequence[float], place: int) -> float:
    """Where between its neighbours the parabola through a largest value has its top, in steps."""
    if not 0 < place < len(values) - 1:
        return 0.0
    before, here, after = values[place - 1 : place + 2]
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else 0.5 * (before - after) / bend


def _agreement(
    pose: Pose,
    image: Float[np.ndarray, "h w"],
    reference: Float[np.ndarray, "h w"],
    inside: Bool[np.ndarray, "h w"] | None,
) -> float:
    """Correlation of an image, aligned, with the reference, over what is inside and in view of both."""
    matrix = pose.matrix(*image.shape)
    moved = warped(image[:, :, np.newaxis], matrix, mode="edge", order=1)[:, :, 0]
    in_view = pose.in_view(*image.shape)
    inside = np.ones_like(in_view) if inside is None else inside
    if in_view[inside].mean() < LOW_AGREEMENT:
        return -1.0
    in_view &= inside
    one, other = moved[in_view], reference[in_view]
    one, other = one - one.mean(), other - other.mean()
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norms if norms > 0 else 0.0


def _typical_and_least(agreements: Sequence[float]) -> tuple[float, float]:
    """Of good images; what is far out is below half as well, since a large defect is still to be aligned."""
    if not agreements:
        return 1.0, LOW_AGREEMENT
    lower, middle, upper = (float(each) for each in np.quantile(agreements, [0.25, 0.5, 0.75]))
    return middle, min(lower - FAR_OUT * (upper - lower), middle / 2)

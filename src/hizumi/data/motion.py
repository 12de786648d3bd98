"""Motion between two frames of a clip: dense optical flow, in channels after those of the frame."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Self

import numpy as np

from hizumi.data.images import Decoded, Window, match_channels
from hizumi.data.sizing import Sizing
from hizumi.errors import DataError, MissingExtraError
from hizumi.shapes import Float, Shaped

FLOW_CHANNELS = 3  # rightwards, downwards, and magnitude
FLOW_RADIUS = 5  # pixels around each pixel that are assumed to move with it
FLOW_WARPS = 5
OTHER_RATE = 1.1  # times as many frames a second, from which motion is told to differ; 29.97 and 30 are one rate
UNIT_WINDOW = Window(-1.0, 1.0, "float32")
"""The window of frames with motion, which are read in [-1, 1]."""


@dataclass(frozen=True)
class Motion:
    """How a frame and its neighbour become one item; fixed on the training data and stored with the detector.

    `window` and `channels` are those of the frames. A displacement of `largest` pixels from one frame to the next
    becomes 1, a larger one more than 1. Flow is estimated on frames scaled down to at most `side` pixels on their
    longer side, or at full size for None. Films learned from had frames `frame_seconds` apart; None where the frames
    came without times, and in bundles of earlier versions.
    """

    window: Window
    channels: int
    largest: float
    side: int | None = None
    frame_seconds: float | None = None

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`."""
        return cls(**{**plain, "window": Window.from_dict(plain["window"])})

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self) | {"window": self.window.to_dict()}

    def differences(self, frame_seconds: Iterable[float | None]) -> tuple[str, ...]:
        """That most of some new frames follow one another faster or slower than those learned from."""
        known = [each for each in frame_seconds if each is not None]
        if self.frame_seconds is None or not known:
            return ()
        usual = median(known)
        if not of_other_rate(usual, self.frame_seconds):
            return ()
        return (f"of another frame rate ({rate_in_words(usual)}, not {1 / self.frame_seconds:.3g})",)

    def join(self, frame: Decoded, neighbour: Decoded, step: int, name: str) -> Decoded:
        """Pixels (h, w, channels + 3) float32: the frame in [-1, 1], then displacement right and down, and speed.

        `step` is -1 where the neighbour is the frame before, and 1 where it is the one after.
        """
        (own, note), (other, _) = (match_channels(each.pixels, self.channels, name) for each in (frame, neighbour))
        if own.shape != other.shape:
            sizes = [f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (own, other)]
            raise DataError(f"{name}: is {sizes[0]} pixels, the frame beside it {sizes[1]}; a clip has one size")
        try:
            own, other = (self.window.to_unit(each.transpose(2, 0, 1)).transpose(1, 2, 0) for each in (own, other))
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        flow = optical_flow(own, other, step, self.side) / np.float32(self.largest)
        speed = np.linalg.norm(flow, axis=2, keepdims=True)
        return Decoded(np.concatenate([own, flow, speed], 2), (*frame.notes, *((note,) if note else ())))


def of_other_rate(frame_seconds: float, other: float) -> bool:
    """Whether films whose frames are so far apart show the same motion clearly faster or slower."""
    return max(frame_seconds, other) > OTHER_RATE * min(frame_seconds, other)


def rate_in_words(frame_seconds: float) -> str:
    """Such as "25 frames a second"."""
    return f"{1 / frame_seconds:.3g} frames a second"


def optical_flow(
    frame: Shaped[np.ndarray, "h w c"], neighbour: Shaped[np.ndarray, "h w c"], step: int, side: int | None = None
) -> Float[np.ndarray, "h w 2"]:
    """Displacement to the right and downwards, in pixels, of the content of each pixel from one frame to the next.

    By the iterative Lucas-Kanade method (Le Besnerais & Champagnat 2005). `step` and `side` are as for `Motion`.
    """
    try:
        from skimage.registration import optical_flow_ilk
    except ModuleNotFoundError as error:
        raise MissingExtraError("motion needs scikit-image: pip install scikit-image") from error

    height, width = frame.shape[:2]
    scale = min(1.0, (side or np.inf) / max(height, width))
    small = Sizing(max(1, round(height * scale)), max(1, round(width * scale)))
    first, second = (
        small.fit(pixels.mean(2, dtype=np.float32)[:, :, np.newaxis])[:, :, 0] for pixels in (frame, neighbour)
    )
    if min(first.shape) < 2:
        raise DataError(f"a frame of {width}x{height} pixels is too small for optical flow")
    # Where in the neighbour each pixel of the frame is found: backwards in time if the neighbour is the frame before.
    down, right = optical_flow_ilk(first, second, radius=FLOW_RADIUS, num_warp=FLOW_WARPS, gaussian=True)
    found = np.stack([right * (width / small.width), down * (height / small.height)], 2).astype(np.float32)
    return np.ascontiguousarray(step * Sizing(height, width).fit(found), dtype=np.float32)

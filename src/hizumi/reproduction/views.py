"""A pool of items as one detector takes them: in [-1, 1], at most at its working size, with their motion if it asks."""

import numpy as np
import torch
from jaxtyping import Float, Integer, Shaped

from hizumi.data import Decoded, Sizing, Window
from hizumi.data.motion import FLOW_CHANNELS, Motion
from hizumi.data.stream import Batches, TensorSource, View
from hizumi.detectors import Detector
from hizumi.errors import DataError
from hizumi.preprocessing.choosing import working_sizing
from hizumi.reproduction.published_forms import Pool

CHUNK = 1024  # items scored at a time, a multiple of the batch size
GREY_LEVELS = Window.of(np.dtype(np.uint8))
MOTION_QUANTILE = 0.999  # of the training frames' displacements, which becomes 1


class PoolView:
    """The items of a pool for one detector; what is fitted for it, the scale of motion, comes from `train` alone."""

    def __init__(self, pool: Pool, detector: Detector, train: Integer[np.ndarray, "n"]) -> None:
        self.sizing: Sizing | None = None
        items = pool.items
        self.ready = items.ndim == 2  # rows are taken as they are, images are still to be brought into [-1, 1]
        if items.ndim == 4:
            self.height, self.width = items.shape[1:3]
            self.sizing = working_sizing(self.height, self.width, detector.working_size)
            if (self.sizing.height, self.sizing.width) != (self.height, self.width):
                items = np.stack([self.sizing.fit(image) for image in items])
            if "motion" in detector.card.needs:
                items = with_motion(items, pool.groups, train)
                self.ready = True
            items = np.ascontiguousarray(items.transpose(0, 3, 1, 2))
        self.source = TensorSource(torch.from_numpy(items))
        self.shape = self.source.shape

    def of(self, positions: Integer[np.ndarray, "n"]) -> Batches:
        """Some of the items, in this order."""
        return View(self.source, indices=torch.from_numpy(positions), function=self._in_range)

    def scored(
        self, detector: Detector, positions: Integer[np.ndarray, "n"], with_maps: bool = False
    ) -> tuple[Float[np.ndarray, "n"], list[np.ndarray] | None]:
        """Scores of some of the items, and their maps at the images' own size where the detector draws any."""
        source = self.of(positions)
        scores: list[np.ndarray] = []
        maps: list[np.ndarray] = []
        for indices in torch.split(torch.arange(len(positions)), CHUNK):
            anomaly = detector.score(source.batch(indices))
            scores.append(anomaly.image.double().cpu().numpy())
            if with_maps and anomaly.pixel is not None:
                maps += [self._restored(pixel) for pixel in anomaly.pixel[:, 0].float().cpu().numpy()]
        return np.concatenate(scores), maps or None

    def _in_range(self, items: torch.Tensor) -> torch.Tensor:
        return items.float() if self.ready else torch.from_numpy(GREY_LEVELS.to_unit(items.numpy()))

    def _restored(self, pixel: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "height width"]:
        assert self.sizing is not None, "only images have maps"
        return self.sizing.restore_map(pixel, self.height, self.width)


def with_motion(
    frames: Shaped[np.ndarray, "n h w c"], clips: Shaped[np.ndarray, "n"] | None, train: Integer[np.ndarray, "k"]
) -> Float[np.ndarray, "n h w d"]:
    """Frames in [-1, 1] with the optical flow from the frame before in their clip, for the first from the one after."""
    if clips is None:
        raise DataError("motion is seen in clips, and nothing says which frame belongs to which")
    motion = Motion(GREY_LEVELS, frames.shape[3], largest=1.0)
    joined = np.empty((*frames.shape[:3], frames.shape[3] + FLOW_CHANNELS), np.float32)
    for clip in np.unique(clips):
        members = np.flatnonzero(clips == clip)
        if len(members) < 2:
            raise DataError(f"clip {clip} has a single frame, in which no motion is seen")
        for place, index in enumerate(members):
            step = -1 if place else 1
            frame, neighbour = Decoded(frames[index], ()), Decoded(frames[members[place + step]], ())
            joined[index] = motion.join(frame, neighbour, step, f"frame {index}").pixels
    largest = float(np.quantile(joined[train, :, :, -1], MOTION_QUANTILE))
    if largest <= 0:
        raise DataError("nothing moves in the training frames")
    joined[..., frames.shape[3] :] /= largest
    return joined

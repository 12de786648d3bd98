"""A pool of items as one detector takes them: in [-1, 1], at most at its working size, with their motion if it asks."""

import numpy as np
import torch
from jaxtyping import Float, Integer, Shaped

from hizumi.data import Decoded, Failure, Window
from hizumi.data.motion import FLOW_CHANNELS, Motion
from hizumi.data.stream import Batches, TensorSource, View
from hizumi.detectors import Detector
from hizumi.errors import DataError
from hizumi.preprocessing import Preprocessing, Reader, in_batches
from hizumi.preprocessing.batching import Outputs
from hizumi.preprocessing.reading import Piece
from hizumi.reproduction.published_forms import Pool

GREY_LEVELS = Window.of(np.dtype(np.uint8))
MOTION_QUANTILE = 0.999  # of the training frames' displacements, which becomes 1


class PoolView:
    """The items of a pool for one detector; what is fitted for it, the scale of motion, comes from `train` alone."""

    def __init__(self, pool: Pool, detector: Detector, train: Integer[np.ndarray, "n"]) -> None:
        items = pool.items
        self.size: tuple[int, int] | None = None
        preprocessing = Preprocessing()
        if items.ndim == 4:
            height, width = self.size = items.shape[1:3]
            sizing = detector.working_sizing(height, width)
            if not sizing.keeps(height, width):
                items = np.stack([sizing.fit(image) for image in items])
            if "motion" in detector.card.needs:
                items = with_motion(items, pool.groups, train)
            window = None if items.dtype == np.float32 else GREY_LEVELS  # frames with motion are in [-1, 1] already
            preprocessing = Preprocessing(sizing, window, items.shape[3])
            items = np.ascontiguousarray(items.transpose(0, 3, 1, 2))
        self.items = items
        self.reader = Reader(preprocessing, items.shape[1:])
        self.shape = items.shape[1:]

    def of(self, positions: Integer[np.ndarray, "n"]) -> Batches:
        """Some of the items, in this order."""
        source = TensorSource(torch.from_numpy(self.items))
        return View(source, indices=torch.from_numpy(positions), function=lambda items: self._to_model(items.numpy()))

    def scored(
        self, detector: Detector, positions: Integer[np.ndarray, "n"], with_maps: bool = False
    ) -> tuple[Float[np.ndarray, "n"], list[np.ndarray] | None]:
        """Scores of some of the items, and their maps at the images' own size where the detector draws any."""

        def scores_and_maps(crops: np.ndarray) -> Outputs:
            anomaly = detector.score(self._to_model(crops))
            outputs = {"score": anomaly.image.double().cpu().numpy()}
            if not with_maps or anomaly.pixel is None:
                return outputs
            return outputs | {"map": anomaly.pixel.float().cpu().numpy()}

        pieces = (Piece(place, str(place), self.items[[place]], self.size) for place in positions.tolist())
        scores, maps = [], []
        for item in in_batches(scores_and_maps, pieces):
            assert not isinstance(item, Failure), "items of a pool have been read"
            piece, outputs = item
            scores.append(outputs["score"])
            if "map" in outputs:
                maps.append(self.reader.restored(piece, outputs["map"])[0])
        return np.concatenate(scores), maps or None

    def _to_model(self, items: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.reader.preprocessing.to_model(items)).float()


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

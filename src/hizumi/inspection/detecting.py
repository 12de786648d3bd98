"""A fitted detector in torch, as what scores batches of arrays."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped

from hizumi.data import Window
from hizumi.detectors import Detector
from hizumi.inspection.scoring import BATCH_SIZE, Scores


@dataclass(frozen=True)
class DetectorScores:
    """Brings crops into the window that the detector was fitted with, None for rows, and scores them."""

    detector: Detector
    window: Window | None

    def __call__(self, crops: Shaped[np.ndarray, "n ..."]) -> Scores:
        """Scores of crops (n, c, h, w) in the data's own values and dtype, or of rows (n, d) of float32."""
        items = crops if self.window is None else self.window.to_unit(crops)
        anomaly = self.detector.score(torch.from_numpy(items), BATCH_SIZE)
        pictures = self.window is not None and anomaly.expected is not None
        return Scores(
            anomaly.image.cpu().numpy(),
            None if anomaly.pixel is None else anomaly.pixel.float().cpu().numpy(),
            {term: values.cpu().numpy() for term, values in anomaly.terms.items()},
            anomaly.expected.float().cpu().numpy() if pictures and anomaly.expected is not None else None,
        )

"""An exported bundle at work: the same verdicts as the inspector that it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hizumi.calibration import Calibration
from hizumi.data import Manifest
from hizumi.inspection.scoring import EXPECTED, Scorer
from hizumi.inspection.verdicts import InspectorBase, opened
from hizumi.preprocessing.batching import Outputs
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.preprocessing.reading import Reader
from hizumi.runtime.engines import Engine
from hizumi.shapes import Shaped

BATCH_SIZE = 16  # what a graph needs in between lies in memory for all of them at once


@dataclass(frozen=True)
class GraphScores:
    """Scores batches by a graph that takes images in their own values, and series and rows standardised."""

    engine: Engine
    preprocessing: Preprocessing

    def __call__(self, crops: Shaped[np.ndarray, "n ..."]) -> Outputs:
        """As for `hizumi.inspection.scoring.ScoresBatches`."""
        outputs = self.engine(self.preprocessing.to_graph(crops))
        expected, window = outputs.pop(EXPECTED, None), self.preprocessing.window
        if expected is None or self.preprocessing.vectors:  # only images and series are shown
            return outputs
        return outputs | {EXPECTED: expected if window is None else window.unit_of(expected)}


@dataclass(frozen=True, eq=False)
class ExportedInspector(InspectorBase):
    """What `hizumi.runtime.load` gives: it inspects as the `Inspector` does, and cannot be fitted or calibrated.

    `options_` is the record of its fit; `parity_` how the graph compares with the detector in torch, as measured when
    it was exported.
    """

    engine: Engine
    shape: tuple[int, ...]
    preprocessing_: Preprocessing
    calibration_: Calibration
    options_: Mapping[str, Any]
    parity_: Mapping[str, Any]

    def scorer(self) -> Scorer:
        """The graph with the preprocessing that the detector was fitted with."""
        scores = GraphScores(self.engine, self.preprocessing_)
        return Scorer(scores, Reader(self.preprocessing_, self.shape), BATCH_SIZE)

    def _manifest(self, X: Any) -> Manifest:
        return opened(X, motion=self.uses_motion, **self.preprocessing_.as_learned)

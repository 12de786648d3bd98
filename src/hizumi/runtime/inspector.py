"""An exported bundle at work: the same verdicts as the inspector that it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hizumi.calibration import Calibration
from hizumi.data import Manifest, Motion, Sizing, Window
from hizumi.inspection.scoring import Scorer, Scores
from hizumi.inspection.verdicts import Judge, opened
from hizumi.runtime.engines import Engine
from hizumi.shapes import Shaped

TERM = "term:"
BATCH_SIZE = 16  # what a graph needs in between lies in memory for all of them at once


@dataclass(frozen=True)
class GraphScores:
    """Scores batches by a graph that takes the data's own values, and gives `normal` in them."""

    engine: Engine
    window: Window | None

    def __call__(self, crops: Shaped[np.ndarray, "n ..."]) -> Scores:
        """Scores of crops (n, c, h, w) in the data's own values and dtype, or of rows (n, d) of float32."""
        outputs = self.engine(np.ascontiguousarray(crops, dtype=np.float32))
        normal = outputs.get("normal")
        return Scores(
            outputs["score"],
            outputs.get("map"),
            {name.removeprefix(TERM): values for name, values in outputs.items() if name.startswith(TERM)},
            None if normal is None or self.window is None else self.window.unit_of(normal),
        )


@dataclass(frozen=True, eq=False)
class ExportedInspector(Judge):
    """What `hizumi.runtime.load` gives: it inspects as the `Inspector` does, and cannot be fitted or calibrated.

    `options_` is what was done to fit it, in full; `parity_` how the graph compares with the detector in torch, as
    measured when it was exported.
    """

    engine: Engine
    shape: tuple[int, ...]
    sizing_: Sizing | None
    window_: Window | None
    channels_: int | None
    motion_: Motion | None
    calibration_: Calibration
    options_: Mapping[str, Any]
    parity_: Mapping[str, Any]

    @property
    def moving(self) -> bool:
        """Whether the items are frames of video, each with its motion."""
        return self.motion_ is not None

    def scorer(self) -> Scorer:
        """The graph with the preprocessing that the detector was fitted with."""
        scores = GraphScores(self.engine, self.window_)
        return Scorer(scores, self.shape, self.sizing_, self.window_, self.channels_, self.motion_, BATCH_SIZE)

    def _manifest(self, X: Any) -> Manifest:
        return opened(X, moving=self.moving)

"""An exported bundle at work: the same verdicts as the inspector that it was made from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hizumi.calibration import Calibration, Verdict
from hizumi.data import Motion, Sizing, Window, open_source
from hizumi.data.source import is_table
from hizumi.inspection.scoring import Failure, Observer, Scorer, Scores, reporting
from hizumi.inspection.verdicts import Inspection, verdict_on
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
class ExportedInspector:
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

    def inspect(self, X: Any, *, strict: bool = False, observe: Observer | None = None) -> Inspection:
        """Verdicts on a folder, file, array, table, or a list of them; what cannot be read is in `failures`."""
        return Inspection.of(self.inspect_each(X, strict=strict, observe=observe))

    def inspect_each(
        self, X: Any, *, pictures: bool = True, strict: bool = False, observe: Observer | None = None
    ) -> Iterator[Verdict | Failure]:
        """The same one by one, for more images than memory holds; without pictures it is faster."""
        manifest = open_source(np.asarray(X, dtype=np.float64) if is_table(X) else X, motion=self.moving)
        progress = reporting(observe, "scoring")
        for item in self.scorer().score(manifest, pictures=pictures, strict=strict, on_progress=progress):
            yield item if isinstance(item, Failure) else verdict_on(item, self.calibration_)

    def scorer(self) -> Scorer:
        """The graph with the preprocessing that the detector was fitted with."""
        scores = GraphScores(self.engine, self.window_)
        return Scorer(scores, self.shape, self.sizing_, self.window_, self.channels_, self.motion_, BATCH_SIZE)

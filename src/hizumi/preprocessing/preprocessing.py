"""How data reach a model, and how what it makes comes back in the data's own type, size and units."""

import warnings
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hizumi.data import Sizing, Store, Window
from hizumi.preprocessing.reading import Reader


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Fixed on the training data and stored with the model.

    Images have a `window`, and a `sizing` unless they come as they are; what they turn into has a window and a number
    of channels of its own. Rows of numbers are standardised by `mean` and `scale`. `enlarge` is how many times larger
    an image becomes on its way in, for models that add the detail.
    """

    sizing: Sizing | None
    window: Window | None
    channels: int | None
    target_window: Window | None
    target_channels: int | None
    mean: Float[np.ndarray, "d"] | None
    scale: Float[np.ndarray, "d"] | None
    enlarge: int = 1

    @classmethod
    def of_rows(cls, store: Store) -> Self:
        """That of a table: by its own mean and deviation."""
        rows = store.batch(range(len(store))).double().numpy()
        mean, deviation = rows.mean(0), rows.std(0)
        # A column that never varied keeps its own unit.
        scale = np.where(deviation > 1e-12 * np.maximum(np.abs(rows).max(0), 1), deviation, 1.0)
        return cls(None, None, None, None, None, mean, scale)

    @property
    def vectors(self) -> bool:
        """Whether items are rows of numbers."""
        return self.window is None

    def reader(self, shape: tuple[int, ...] | None, backwards: bool = False) -> Reader:
        """What reads records for a model of this shape; backwards, records of what images turn into."""
        window = self.target_window if backwards else self.window
        return Reader(shape, self.sizing, window, self.channels, "model", self.enlarge)

    def standardised(self, items: Tensor) -> Tensor:
        """Rows as the model takes them; images are left as they are."""
        if self.mean is None or self.scale is None:
            return items
        return ((items.double() - torch.from_numpy(self.mean)) / torch.from_numpy(self.scale)).float()

    def rows_as_data(self, rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Undo `standardised`."""
        return rows if self.mean is None or self.scale is None else rows * self.scale + self.mean

    def as_data(self, items: Float[np.ndarray, "n *shape"], target: bool = False) -> np.ndarray:
        """Items of the model as images (n, h, w, c) of the data's type, or rows (n, d) in their units.

        `target`: items of the kind that images turn into. Warns where values do not fit into the type.
        """
        window = self.target_window if target else self.window
        if window is None:
            return self.rows_as_data(items)
        pixels, clipped = window.to_pixels(items.transpose(0, 2, 3, 1))
        if clipped:
            warnings.warn(
                f"{clipped:.2%} of the values do not fit into {window.dtype} and were brought to its limits",
                stacklevel=2,
            )
        return pixels

    @property
    def log_volume(self) -> float:
        """Log-density in the data's units is that of standardised rows minus this."""
        return 0.0 if self.scale is None else float(np.log(self.scale).sum())

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        plain = asdict(self)
        return plain | {name: None if plain[name] is None else plain[name].tolist() for name in ("mean", "scale")}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Undo `to_dict`."""
        sizing, window, target = plain["sizing"], plain["window"], plain["target_window"]
        return cls(
            sizing=None if sizing is None else Sizing(**sizing),
            window=None if window is None else Window(**window),
            channels=plain["channels"],
            target_window=None if target is None else Window(**target),
            target_channels=plain["target_channels"],
            mean=None if plain["mean"] is None else np.array(plain["mean"]),
            scale=None if plain["scale"] is None else np.array(plain["scale"]),
            enlarge=plain["enlarge"],
        )

"""The one value that says how records reach what was fitted, and how what it makes comes back."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from hizumi.data import Motion, Sizing, Window
from hizumi.data.missing import Filling
from hizumi.data.rasters import PIXEL_LIMIT
from hizumi.shapes import Float

if TYPE_CHECKING:
    from hizumi.data import Manifest, Store


class Target(NamedTuple):
    """What images turn into, for models that translate: their window and number of channels."""

    window: Window
    channels: int


@dataclass(frozen=True, eq=False)
class Scaler:
    """Standardises each column of a table by the training data's mean and standard deviation."""

    mean: Float[np.ndarray, "d"]
    scale: Float[np.ndarray, "d"]

    @classmethod
    def of(cls, rows: Float[np.ndarray, "n d"]) -> Self:
        """Estimated in double precision; a constant column keeps its own unit."""
        rows = rows.astype(np.float64)
        deviation = rows.std(0)
        constant = deviation <= 1e-12 * np.maximum(np.abs(rows).max(0), 1)
        return cls(rows.mean(0), np.where(constant, 1.0, deviation))

    def standardise(self, rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Rows in units of the standard deviation, as float32."""
        return ((rows.astype(np.float64) - self.mean) / self.scale).astype(np.float32)

    def restore(self, rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Undo `standardise`."""
        return np.asarray(rows * self.scale + self.mean)

    @property
    def log_volume(self) -> float:
        """Log-density in the data's units is that of standardised rows minus this."""
        return float(np.log(self.scale).sum())


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Chosen on the training data by `prepare`, assigned by `fit`, and stored in every bundle.

    `sizing` is None where images keep their size. `window` and `channels` are None for rows of numbers, which models
    standardise by a `scaler`. `motion` says how frames of video are joined with their optical flow. `target` describes
    what images are translated into, and `enlarge` is how many times larger an image becomes on its way in, for models
    that add detail. `filling` says which pixels are missing; files of more than `pixel_limit` pixels
    are refused.
    """

    sizing: Sizing | None = None
    window: Window | None = None
    channels: int | None = None
    motion: Motion | None = None
    scaler: Scaler | None = None
    target: Target | None = None
    enlarge: int = 1
    filling: Filling | None = None
    pixel_limit: int = PIXEL_LIMIT

    @classmethod
    def of(cls, store: "Store", target: "Store | None" = None) -> Self:
        """As a store of training data was built, and the store of what its images turn into."""
        made = cls(
            store.sizing,
            store.window,
            store.channels,
            store.manifest.motion,
            filling=store.manifest.filling,
            pixel_limit=store.manifest.pixel_limit,
        )
        if target is None or target.window is None or target.channels is None:
            return made
        return replace(made, target=Target(target.window, target.channels))

    @property
    def vectors(self) -> bool:
        """Whether items are rows of numbers."""
        return self.window is None

    @property
    def tiled(self) -> bool:
        """Whether images are seen through several overlapping windows."""
        return self.sizing is not None and self.sizing.mode == "tile"

    def decoding(self, manifest: "Manifest") -> "Manifest":
        """The manifest, with its files and rows decoded as those of the training data were."""
        return replace(manifest, motion=self.motion, filling=self.filling, pixel_limit=self.pixel_limit)

    def backwards(self) -> Self:
        """For the way back of a model that translates in both directions."""
        assert self.target is not None, "a model that translates has a target"
        assert self.window is not None, "only images are translated"
        assert self.channels is not None, "only images are translated"
        own = Target(self.window, self.channels)
        return replace(self, window=self.target.window, channels=self.target.channels, target=own)

    def to_model(self, crops: np.ndarray) -> Float[np.ndarray, "n ..."]:
        """Crops (n, c, h, w) in the data's own values, or rows (n, d), as the fitted model takes them, float32."""
        if self.window is not None:
            return self.window.to_unit(crops)
        return crops if self.scaler is None else self.scaler.standardise(crops)

    def to_data(self, items: Float[np.ndarray, "n *shape"], *, translated: bool = False) -> np.ndarray:
        """What a model made, as images (n, h, w, c) of the data's type, or as rows (n, d) in their units.

        With `translated`, images of the target's type. Warns where values do not fit into the type.
        """
        window = self.target.window if translated and self.target is not None else self.window
        if window is None:
            return items if self.scaler is None else self.scaler.restore(items)
        pixels, clipped = window.to_pixels(items.transpose(0, 2, 3, 1))
        if clipped:
            warnings.warn(f"{clipped:.2%} of the values do not fit into {window.dtype} and were clipped", stacklevel=2)
        return pixels

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "sizing": None if self.sizing is None else asdict(self.sizing),
            "window": None if self.window is None else asdict(self.window),
            "channels": self.channels,
            "motion": None if self.motion is None else asdict(self.motion),
            "scaler": None if self.scaler is None else {k: v.tolist() for k, v in vars(self.scaler).items()},
            "target": None
            if self.target is None
            else {"window": asdict(self.target.window), "channels": self.target.channels},
            "enlarge": self.enlarge,
            "filling": None if self.filling is None else asdict(self.filling),
            "pixel_limit": self.pixel_limit,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`."""
        sizing, window, motion, scaler, target = (
            plain[name] for name in ("sizing", "window", "motion", "scaler", "target")
        )
        return cls(
            sizing=None if sizing is None else Sizing(**sizing),
            window=None if window is None else Window(**window),
            channels=plain["channels"],
            motion=None if motion is None else Motion.from_dict(motion),
            scaler=None if scaler is None else Scaler(np.array(scaler["mean"]), np.array(scaler["scale"])),
            target=None if target is None else Target(Window(**target["window"]), target["channels"]),
            enlarge=plain["enlarge"],
            filling=None if plain.get("filling") is None else Filling(**plain["filling"]),
            pixel_limit=plain.get("pixel_limit", PIXEL_LIMIT),
        )


def upgraded(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The header of a bundle that hizumi 0.1.0 wrote, in format 1, with the preprocessing in today's form."""
    fields = dict(fields)
    if "preprocessing" not in fields:  # a detector's, exported or not: four loose fields
        loose = {name: fields.pop(name, None) for name in ("sizing", "window", "channels", "motion")}
        return fields | {"preprocessing": {**loose, "scaler": None, "target": None, "enlarge": 1}}
    plain = dict(fields["preprocessing"])
    window, channels, mean, scale = (plain.pop(name) for name in ("target_window", "target_channels", "mean", "scale"))
    plain["motion"] = None
    plain["scaler"] = None if mean is None else {"mean": mean, "scale": scale}
    plain["target"] = None if window is None else {"window": window, "channels": channels}
    return fields | {"preprocessing": plain}

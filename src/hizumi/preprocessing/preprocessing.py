"""The one value that says how records reach what was fitted, and how what it makes comes back."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from hizumi.data import Motion, Sizing, Window
from hizumi.data.alignment import Alignment
from hizumi.data.appearance import FAR_SMALLER, Appearance
from hizumi.data.columns import TableForm
from hizumi.data.missing import Filling
from hizumi.data.rasters import PIXEL_LIMIT
from hizumi.data.region import Region
from hizumi.data.scaling import Scaler
from hizumi.data.series.form import SeriesForm
from hizumi.data.series.steadying import Steadying
from hizumi.errors import DataError
from hizumi.shapes import Float

if TYPE_CHECKING:
    from hizumi.data import Manifest, Store


class Target(NamedTuple):
    """What images turn into, for models that translate: their window and number of channels."""

    window: Window
    channels: int


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Chosen on the training data by `prepare`, assigned by `fit`, and stored in every bundle.

    `sizing` is None where images keep their size. `window` and `channels` are None for rows of numbers, which a
    `scaler` standardises (bundles of earlier versions have none), and whose columns `table` describes where they have
    names or words; and for `series`, whose channels a scaler standardises, too. `motion` says how frames of video are
    joined with their optical flow. `target` describes what images are translated into, and `enlarge` is how many times
    larger an image becomes on its way in, for models that add detail. `filling` says which pixels are missing; files of
    more than `pixel_limit` pixels are refused. With `alignment`, images are turned and shifted before anything else.
    `appearance` is what new images are compared with; bundles of earlier versions have none. Of images, aligned or not,
    only what lies in the `region` is looked at. `steadying` is for the scores of steps of series; bundles of earlier
    versions have none.
    """

    sizing: Sizing | None = None
    window: Window | None = None
    channels: int | None = None
    motion: Motion | None = None
    scaler: Scaler | None = None
    target: Target | None = None
    enlarge: int = 1
    table: TableForm | None = None
    filling: Filling | None = None
    pixel_limit: int = PIXEL_LIMIT
    appearance: Appearance | None = None
    alignment: Alignment | None = None
    region: Region | None = None
    series: SeriesForm | None = None
    steadying: Steadying | None = None

    @classmethod
    def of(cls, store: "Store", target: "Store | None" = None) -> Self:
        """As a store of training data was built, and the store of what its images turn into."""
        made = cls(
            store.sizing,
            store.window,
            store.channels,
            store.manifest.motion,
            store.scaler,
            table=store.manifest.table,
            filling=store.manifest.filling,
            pixel_limit=store.manifest.pixel_limit,
            alignment=store.alignment,
            region=store.region,
            series=store.manifest.series,
        )
        if target is None or target.window is None or target.channels is None:
            return made
        return replace(made, target=Target(target.window, target.channels))

    @property
    def vectors(self) -> bool:
        """Whether items are rows of numbers."""
        return self.window is None and self.series is None

    @property
    def as_learned(self) -> dict[str, Any]:
        """How columns and channels of new data are to be understood, by `open_source`'s names."""
        if self.series is not None:
            return {"series_form": self.series}
        return {"table": self.table, "image_channels": self.channels if self.motion is None else self.motion.channels}

    @property
    def tiled(self) -> bool:
        """Whether images are seen through several overlapping windows."""
        return self.sizing is not None and self.sizing.mode == "tile"

    @property
    def still_window(self) -> Window | None:
        """The window of the pixels in files, which frames of video leave for one of their own."""
        return self.window if self.motion is None else self.motion.window

    @property
    def still_region(self) -> Region | None:
        """The region of interest of images as they lie; None where it is that of aligned ones."""
        return self.region if self.alignment is None else None

    def differences(self, manifest: "Manifest") -> tuple[str, ...]:
        """In what most of some images look unlike those that were learned from."""
        found: tuple[str, ...] = ()
        if self.appearance is not None:
            found = self.appearance.differences(self.decoding(manifest), self.still_window, self.still_region)
        if self.motion is not None:
            found += self.motion.differences(record.frame_seconds for record in manifest.records)
        return found

    def refuse_other_form(self, height: int, width: int, name: str) -> None:
        """Raise DataError for an image of another form than those learned from, where that is known.

        In tiles, images of any form are looked at as they are, if only they fill more than a corner of one.
        """
        if self.sizing is not None and self.tiled:
            if height < self.sizing.height / FAR_SMALLER and width < self.sizing.width / FAR_SMALLER:
                tile = f"{self.sizing.width}x{self.sizing.height}"
                raise DataError(f"{name}: is {width}x{height} pixels, far smaller than a tile of {tile}; give it whole")
            return
        if self.appearance is None or not self.appearance.ranges.keys() >= {"height", "width"}:
            return
        try:
            self.appearance.refuse_other_form(height, width)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None

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
        if self.series is not None and self.scaler is not None:
            return np.ascontiguousarray(np.moveaxis(self.scaler.standardise(np.moveaxis(crops, 1, -1)), -1, 1))
        return crops.astype(np.float32) if self.scaler is None else self.scaler.standardise(crops)

    def to_graph(self, crops: np.ndarray) -> Float[np.ndarray, "n ..."]:
        """Crops as an exported graph takes them, float32: images in the data's own values, numbers standardised."""
        return self.to_model(crops) if self.window is None else np.ascontiguousarray(crops, dtype=np.float32)

    def to_data(self, items: Float[np.ndarray, "n *shape"], *, translated: bool = False) -> np.ndarray:
        """What a model made, as images (n, h, w, c) of the data's type, or in units: rows (n, d), series (n, 1, t, c).

        With `translated`, images of the target's type. Warns where values do not fit into the type.
        """
        window = self.target.window if translated and self.target is not None else self.window
        if window is None:
            items = items if self.series is None else items.transpose(0, 2, 3, 1)
            return items if self.scaler is None else self.scaler.restore(items)
        pixels, clipped = window.to_pixels(items)
        if clipped:
            warnings.warn(f"{clipped:.2%} of the values do not fit into {window.dtype} and were clipped", stacklevel=2)
        return pixels.transpose(0, 2, 3, 1)

    def refuse_unfit(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError where what it makes has another shape, or its windows and scales cannot be divided by."""
        for part in (self, self.target, self.motion):
            if part is not None and part.window is not None:
                assert part.channels is not None, "images have channels"
                ranges = part.window.ranges(part.channels)
                if len(ranges) != part.channels or not all(low < high for low, high in ranges):
                    raise ValueError("a window of pixel values is empty, or not one of the images' channels")
        if (len(shape) == 1) != self.vectors or (self.channels is None) != (self.window is None):
            raise ValueError(f"items of shape {shape} are not what the preprocessing makes")
        if self.channels is not None:
            made = shape[1:] if self.sizing is None else (self.sizing.height, self.sizing.width)
            if shape != (self.channels, *made):
                raise ValueError(f"images of shape {(self.channels, *made)} are made for a shape of {shape}")
        if self.series is not None and (self.series.shape != shape or self.scaler is None):
            raise ValueError(f"windows of shape {self.series.shape} with their scales are not items of shape {shape}")
        if self.steadying is not None and (
            self.series is None or len(self.steadying.factors) != self.series.length // self.series.hop
        ):
            raise ValueError("the factors that steady scores are not one for each number of windows over a step")
        if self.scaler is not None and not (
            self.scaler.mean.shape == self.scaler.scale.shape == shape[:1] and (self.scaler.scale > 0).all()
        ):
            raise ValueError("the scales of columns do not fit the items")
        if self.region is not None and (self.vectors or self.region.colour is None):
            raise ValueError("a region of interest is for images, and has a colour for what lies outside")

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "sizing": None if self.sizing is None else asdict(self.sizing),
            "window": None if self.window is None else self.window.to_dict(),
            "channels": self.channels,
            "motion": None if self.motion is None else self.motion.to_dict(),
            "scaler": None if self.scaler is None else self.scaler.to_dict(),
            "target": None
            if self.target is None
            else {"window": self.target.window.to_dict(), "channels": self.target.channels},
            "enlarge": self.enlarge,
            "table": None if self.table is None else self.table.to_dict(),
            "filling": None if self.filling is None else asdict(self.filling),
            "pixel_limit": self.pixel_limit,
            "appearance": None if self.appearance is None else self.appearance.to_dict(),
            "alignment": None if self.alignment is None else self.alignment.to_dict(),
            "region": None if self.region is None else self.region.to_dict(),
            "series": None if self.series is None else self.series.to_dict(),
            "steadying": None if self.steadying is None else self.steadying.to_dict(),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_dict`."""
        table = plain.get("table")
        sizing, window, motion, scaler, target = (
            plain[name] for name in ("sizing", "window", "motion", "scaler", "target")
        )
        return cls(
            sizing=None if sizing is None else Sizing(**sizing),
            window=None if window is None else Window.from_dict(window),
            channels=plain["channels"],
            motion=None if motion is None else Motion.from_dict(motion),
            scaler=None if scaler is None else Scaler.from_dict(scaler),
            target=None if target is None else Target(Window.from_dict(target["window"]), target["channels"]),
            enlarge=plain["enlarge"],
            table=None if table is None else TableForm.from_dict(table),
            filling=None if plain.get("filling") is None else Filling(**plain["filling"]),
            pixel_limit=plain.get("pixel_limit", PIXEL_LIMIT),
            appearance=None if plain.get("appearance") is None else Appearance.from_dict(plain["appearance"]),
            alignment=None if plain.get("alignment") is None else Alignment.from_dict(plain["alignment"]),
            region=None if plain.get("region") is None else Region.from_dict(plain["region"]),
            series=None if plain.get("series") is None else SeriesForm.from_dict(plain["series"]),
            steadying=None if plain.get("steadying") is None else Steadying.from_dict(plain["steadying"]),
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

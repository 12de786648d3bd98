"""What the data are, and how they are to be read."""

from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from hizumi.errors import UsageError
from hizumi.storage.files import with_home

if TYPE_CHECKING:
    from hizumi.data import Manifest
    from hizumi.data.region import Region
    from hizumi.data.variation import Variation


def refuse_absent(data: str | None) -> str | None:
    """Make sure that data are there, before what reads them is imported."""
    from hizumi.data.places import refuse_absent as refuse

    if data is not None:
        refuse(data)
    return data


def refuse_all_absent(paths: list[str]) -> list[str]:
    """Make sure that one of several is there, or standard input (-); each of the others is a failure of its own.

    Whether anything is behind URLs and patterns is found when they are listed.
    """
    found_later = any("://" in path or any(sign in path for sign in "*?[") for path in paths)
    if paths != ["-"] and not found_later and not any(with_home(path).exists() for path in paths):
        refuse_absent(paths[0])
    return paths


# Options that stand under other headings of the help than their groups.
table_option = partial(typer.Option, rich_help_panel="Tables")
series_option = partial(typer.Option, rich_help_panel="Time series")

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        callback=refuse_absent,
        help="A folder of images, a .csv, .parquet, .npz, .npy or video file, or a "
        "built-in set: digits, brick, gravel, grass.",
    ),
]
Targets = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        callback=refuse_absent,
        help="What the images of DATA turn into, by the same names, or the other set.",
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive/--no-recursive", help="Whether folders are read to any depth.")]
Channels = Annotated[
    Literal["first", "last"] | None,
    typer.Option(
        metavar="AXIS",
        help="Where arrays have their channels, (n, c, h, w) or (n, h, w, c): first or last; by their shape if not "
        "given.",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first input that cannot be read, or was not opened.")
]

TimeColumn = Annotated[
    str | None,
    series_option(metavar="NAME", help="Column of a series with time stamps, where its name does not say so."),
]
GroupColumn = Annotated[
    str | None,
    series_option(
        metavar="NAME", help="Column that tells apart the recordings of a table, such as machines, if not group."
    ),
]
DateOrder = Annotated[
    Literal["day", "month"] | None,
    series_option(help="What comes first in dates such as 01/02/2026, where no date of a series shows it."),
]
Resample = Annotated[float | None, series_option(metavar="SECONDS", help="Bring a series to steps of so many seconds.")]
Missing = Annotated[
    Literal["refuse", "interpolate", "hold"] | None,
    series_option(
        metavar="HOW",
        help="What stands for a value that a series lacks: interpolate, between its neighbours; hold, the one before; "
        "refuse, if not given, names it and stops.",
    ),
]
OF_SERIES = ("series", "length", "overlap", "time_column", "group_column", "date_order", "resample", "missing")


@dataclass(frozen=True)
class SourceArguments:
    """How the data are to be understood, by `open_source`'s names."""

    heading: ClassVar[str] = "Data"

    normal_class: Annotated[
        int | None, typer.Option(metavar="N", help="Which of several classes is the normal one.")
    ] = None
    good: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A folder of good images, or a label, that means good although it does not say so; may be repeated.",
        ),
    ] = None
    layout: Annotated[
        Literal["auto", "flat", "kinds", "splits", "classes"],
        typer.Option(
            metavar="L",
            help="What folders mean: flat, all are good; kinds, good or a defect; splits, train and test; classes, "
            "each is one; auto, as their names say.",
        ),
    ] = "auto"
    recursive: Recursive = True
    label_column: Annotated[
        str | None, table_option(metavar="NAME", help="Column of a table that says which rows are good.")
    ] = None
    id_column: Annotated[str | None, table_option(metavar="NAME", help="Column of a table that names its rows.")] = None
    ignore: Annotated[str | None, table_option(metavar="A,B", help="Columns of a table that are not learned from.")] = (
        None
    )
    columns: Annotated[
        str | None, table_option(metavar="A,B", help="The only columns of a table that are learned from.")
    ] = None
    one_hot: Annotated[
        bool, table_option("--one-hot", help="Learn which words the columns of a table hold that are no numbers.")
    ] = False
    impute: Annotated[
        bool, table_option("--impute", help="Put the mean for missing numbers of a table, and learn where they miss.")
    ] = False
    channels: Channels = None
    series: Annotated[
        bool,
        series_option(
            "--series",
            help="Tables and arrays are recordings: their rows follow one another in time, and are judged in blocks.",
        ),
    ] = False
    length: Annotated[
        int | None,
        series_option(metavar="N", min=4, help="Steps of a window of a series; chosen by the data if not given."),
    ] = None
    overlap: Annotated[
        float | None, series_option(metavar="S", help="Share of a window that the next one shares, such as 0.75.")
    ] = None
    time_column: TimeColumn = None
    group_column: GroupColumn = None
    date_order: DateOrder = None
    resample: Resample = None
    missing: Missing = None

    def open(self, data: str, *, motion: bool = False, all_classes: bool = False, **learned: Any) -> "Manifest":
        """The data, opened as these arguments say, and by a preprocessing's `as_learned`.

        With `all_classes`, all of several classes are normal where these arguments name none.
        """
        from hizumi.data import open_source
        from hizumi.data.series.options import SeriesOptions

        given = {name: value for name, value in vars(self).items() if value is not None and name not in OF_SERIES}
        of_series = {name: getattr(self, name) for name in OF_SERIES[1:]}
        is_series = self.series or learned.get("series_form") is not None
        classes = {"normal_class": "all"} if all_classes and not is_series else {}
        series = SeriesOptions.as_typed(is_series=is_series, remedy="say --series, or leave it out", **of_series)
        return open_source(data, **(classes | given), motion=motion, series=series, **learned)

    def refuse_without(self, **data: str | None) -> None:
        """Raise UsageError where these say how data are to be understood that are not given, by their option's name."""
        for option, given in data.items():
            if given is None and (typed := self.as_typed()):
                raise UsageError(f"{typed[0]} says how --{option} is to be understood: give that too, or leave it out")

    def as_typed(self) -> list[str]:
        """These arguments as they are typed on a command line; those left out are left out."""
        return [
            word
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
            for word in _typed(field.name.replace("_", "-"), value)
        ]


def _typed(name: str, value: Any) -> list[str]:
    """An option as it is typed: a switch by its name alone, a list as often as it is long."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    values = value if isinstance(value, list) else [value]
    return [word for each in values for word in (f"--{name}", str(each))]


@dataclass(frozen=True)
class RecordingArguments:
    """How recordings are to be read that are judged by what was learned, by names of `SeriesOptions.as_typed`."""

    heading: ClassVar[str] = "Time series"

    resample: Resample = None
    missing: Missing = None
    ignore: Annotated[
        str | None, typer.Option(metavar="A,B", help="Columns of a series that are not read, such as times.")
    ] = None
    time_column: TimeColumn = None
    group_column: GroupColumn = None
    date_order: DateOrder = None

    def of_columns(self) -> dict[str, str | None]:
        """What is said of columns, which rows that still arrive have too."""
        return {name: value for name, value in vars(self).items() if name not in ("resample", "missing")}


@dataclass(frozen=True)
class SizingArguments:
    """How images are brought to the size and range that networks take."""

    heading: ClassVar[str] = "Images"

    image_size: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW",
            help="Working size in pixels. If not given, the images' own, shrunk to a shorter side of 224 or 320 for "
            "detectors on a pre-trained network, and to as many pixels as 64x64 has (of some, 32x32) for others.",
        ),
    ] = None
    tiles: Annotated[
        bool, typer.Option("--tiles", help="Look at full-size images through windows of the image size.")
    ] = False
    window: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH|auto",
            help="Pixel values that count as darkest and brightest, such as 0,4095 for 12 bits in 16-bit files, or for "
            "each channel its own, such as 0,255/0,255/0,255/300,900; with auto, those that most pixels of the good "
            "images use.",
        ),
    ] = None
    nodata: Annotated[
        float | None,
        typer.Option(metavar="V", help="Pixel value that means no measurement; the nearest pixel's is taken instead."),
    ] = None
    fill_nan: Annotated[
        bool, typer.Option("--fill-nan", help="Give pixels that are NaN the value of the nearest one.")
    ] = False
    pixel_limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Images of more pixels are refused; 100 million if not given."),
    ] = None

    def __post_init__(self) -> None:
        self.keywords()  # refuses what is no size or window before anything is imported

    def keywords(self) -> dict[str, Any]:
        """What an Inspector or a Modeller takes."""
        return {
            "image_size": parsed_image_size(self.image_size),
            "sizing": "tile" if self.tiles else "resize",
            "window": parsed_window(self.window),
            "nodata": self.nodata,
            "fill_nan": self.fill_nan,
            **({} if self.pixel_limit is None else {"pixel_limit": self.pixel_limit}),
        }


@dataclass(frozen=True)
class RegionArguments:
    """Which pixels of images are looked at: others neither train nor decide."""

    heading: ClassVar[str] = "Region of interest"

    roi: Annotated[
        str | None,
        typer.Option(
            metavar="MASK|L,T,W,H|auto",
            help="Look at these pixels of each image alone: the white ones of a mask, a rectangle (left, top, width, "
            "height in pixels, or in shares of the sides), or auto: whatever stands out from the background.",
        ),
    ] = None
    ignore_region: Annotated[
        str | None, typer.Option(metavar="MASK|L,T,W,H", help="Leave these pixels out, white in a mask likewise.")
    ] = None

    def region(self) -> "Region | None":
        """What is looked at; None: everything."""
        if self.roi is None and self.ignore_region is None:
            return None
        from hizumi.data.region import Region

        return Region.of(self.roi, self.ignore_region)


@dataclass(frozen=True)
class VariationArguments:
    """How good parts may lie and look, which is learned as normal from changed copies of the good images."""

    heading: ClassVar[str] = "How good parts vary"

    shifts: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="Declare that parts may lie up to this share of the image's sides elsewhere, such as 0.05: such parts "
            "will not be found anomalous. For few images.",
        ),
    ] = None
    turns: Annotated[
        str | None,
        typer.Option(
            metavar="DEGREES|any",
            help="Declare that parts may lie turned by up to so many degrees, or by any angle: turned parts will not "
            "be found anomalous.",
        ),
    ] = None
    flips: Annotated[
        Literal["horizontal", "vertical", "both"] | None,
        typer.Option(
            metavar="WAY",
            help="Declare that parts may be mirrored: horizontal (left and right change places), vertical or both. "
            "Parts of the other hand will not be found anomalous.",
        ),
    ] = None
    brightness: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="Declare that the light may be brighter or darker by up to this share, such as 0.1: brighter and "
            "darker parts will not be found anomalous.",
        ),
    ] = None

    def variation(self) -> "Variation | None":
        """What is declared; None where nothing is."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        if not given:
            return None
        from hizumi.data.variation import Variation

        return Variation(**given | ({} if self.turns is None else {"turns": parsed_turns(self.turns)}))


def parsed_turns(text: str) -> float:
    """Degrees from a text such as 5, or any."""
    if text == "any":
        return 180.0
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--turns {text} is no angle; give degrees, such as 5, or any") from None


def parsed_image_size(text: str | None) -> int | tuple[int, int] | None:
    """64 for "64", (48, 96) for "48x96"."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise UsageError(f"--image-size {text} is no size; give pixels, such as 64, or height and width, such as 48x96")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def parsed_window(text: str | None) -> "tuple[float, float] | list[tuple[float, float]] | Literal['auto'] | None":
    """Two numbers from a text such as 0,4095, or two for each channel, such as 0,255/0,4095, or auto."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        ranges = [(float(low), float(high)) for low, high in (part.split(",") for part in text.split("/"))]
    except ValueError:
        raise UsageError(
            f"--window {text} is no window; give two numbers, such as 0,4095, or two for each channel, such as "
            "0,255/0,4095, or auto"
        ) from None
    return ranges[0] if len(ranges) == 1 else ranges

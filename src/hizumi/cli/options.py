"""Arguments and options that several commands share, alone or in groups, and what they mean.

A group is a frozen dataclass whose fields are options; `grouped` lets a command take one as a parameter.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hizumi.errors import BundleError, UsageError
from hizumi.registry.names import refuse_unknown
from hizumi.registry.standard import STANDARD
from hizumi.storage.files import open_regular, printable, refuse_unwritable, refuse_unwritable_folder
from hizumi.storage.statements import LARGEST_SEED

if TYPE_CHECKING:
    from hizumi.data import Manifest
    from hizumi.data.pairs import Pairing
    from hizumi.detectors import Detector
    from hizumi.inspection import Inspector
    from hizumi.training import Trainable, TrainingOptions


def _refuse_unreadable(path: Path) -> Path:
    """Make sure that a file can be opened, before what reads it is imported, which takes seconds."""
    try:
        open_regular(path).close()
    except OSError as error:
        raise BundleError(f"{printable(path)}: cannot be read: {error.strerror}") from error
    return path


def refuse_absent(data: str | None) -> str | None:
    """Make sure that data are there, before what reads them is imported."""
    from hizumi.data.places import refuse_absent as refuse

    if data is not None:
        refuse(data)
    return data


def _refuse_unknown_detector(name: str) -> str:
    """Make sure that there is such a detector, before its file is imported."""
    if name != STANDARD:
        refuse_unknown(name, "detector")
    return name


def _refuse_unknown_detectors(names: str) -> str:
    found = names_between_commas(names)
    if not found:
        raise UsageError("--detectors is empty; name some, such as -d reconstruction,mahalanobis")
    for name in found:
        _refuse_unknown_detector(name)
    return names


def _refuse_unknown_model(name: str) -> str:
    refuse_unknown(name, "model")
    return name


def refuse_all_absent(paths: list[str]) -> list[str]:
    """Make sure that one of several is there; each of the others is a failure of its own."""
    if not any(Path(path).expanduser().exists() for path in paths):
        refuse_absent(paths[0])
    return paths


def _refuse_unwritable_table(file: str | None) -> str | None:
    """Make sure that a table of results can be written, before the work whose results it takes."""
    if file is not None and file != "-":
        refuse_unwritable(Path(file))
    return file


def writable_folder(folder: Path | None) -> Path | None:
    """Make sure that files can be written into a folder, before the work that makes them."""
    if folder is not None:
        refuse_unwritable_folder(folder)
    return folder


def writable_folder_or_table(place: Path) -> Path:
    """Make sure that images can be written into a folder, or rows into a .csv file, before the work that makes them."""
    (refuse_unwritable if place.suffix.lower() == ".csv" else refuse_unwritable_folder)(place)
    return place


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        callback=refuse_absent,
        help="A folder of images, a .csv, .npz, .npy or video file, or a built-in set: digits, brick, gravel, grass.",
    ),
]
BundlePath = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE", show_default=False, callback=_refuse_unreadable, help="A file that fit has written."
    ),
]
ModelPath = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", show_default=False, callback=_refuse_unreadable, help="A file that train has written."
    ),
]
DetectorName = Annotated[
    str,
    typer.Option(
        "--detector",
        "-d",
        metavar="NAME",
        callback=_refuse_unknown_detector,
        help="One of those that `hizumi list` shows.",
    ),
]
DetectorNames = Annotated[
    str,
    typer.Option(
        "--detectors",
        "-d",
        metavar="A,B,C",
        callback=_refuse_unknown_detectors,
        help="Names that `hizumi list` shows, with commas.",
    ),
]
ModelName = Annotated[
    str,
    typer.Argument(
        metavar="NAME", show_default=False, callback=_refuse_unknown_model, help="A model that `hizumi list` shows."
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
JsonTo = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        callback=_refuse_unwritable_table,
        help="Also write the result as JSON; - is standard output.",
    ),
]
CsvTo = Annotated[
    str | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        callback=_refuse_unwritable_table,
        help="Also write one row for each input as CSV; - is standard output.",
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
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first image that cannot be read.")]
Steps = Annotated[int | None, typer.Option(metavar="N", min=1, help="Training ends after so many steps.")]
Preset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Ready-made settings in place of the paper's: fast takes two or three minutes."),
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, max=LARGEST_SEED, help="Where every random choice starts from.")]
Accelerator = Annotated[
    Literal["cpu", "cuda", "mps", "auto"], typer.Option(metavar="A", help="Where to train: cpu, cuda, mps or auto.")
]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Spread the groups among a command's parameters out into their options, which is what typer has to see."""
    signature = inspect.signature(command)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if is_dataclass(parameter.annotation)
    }
    options_of = {name: inspect.signature(group).parameters for name, group in groups.items()}
    flat = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        for option in (options_of[name].values() if name in groups else [parameter])
    ]

    @wraps(command)
    def with_groups(**given: Any) -> None:
        made = {
            name: group(**{option: given.pop(option) for option in options_of[name]}) for name, group in groups.items()
        }
        command(**given, **made)

    with_groups.__signature__ = signature.replace(parameters=flat)  # type: ignore[attr-defined]  # read by inspect
    return with_groups


@dataclass(frozen=True)
class SourceArguments:
    """How the data are to be understood, by `open_source`'s names."""

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
        str | None, typer.Option(metavar="NAME", help="Column of a table that says which rows are good.")
    ] = None
    id_column: Annotated[str | None, typer.Option(metavar="NAME", help="Column of a table that names its rows.")] = None
    ignore: Annotated[str | None, typer.Option(metavar="A,B", help="Columns of a table that are not learned from.")] = (
        None
    )
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="The only columns of a table that are learned from.")
    ] = None
    one_hot: Annotated[
        bool, typer.Option("--one-hot", help="Learn which words the columns of a table hold that are no numbers.")
    ] = False
    impute: Annotated[
        bool, typer.Option("--impute", help="Put the mean for missing numbers of a table, and learn where they miss.")
    ] = False
    channels: Channels = None

    def open(self, data: str, *, motion: bool = False, all_classes: bool = False, **learned: Any) -> "Manifest":
        """The data, opened as these arguments say, and by a preprocessing's `as_learned`.

        With `all_classes`, all of several classes are normal where these arguments name none.
        """
        from hizumi.data import open_source

        given = {name: value for name, value in vars(self).items() if value is not None}
        classes = {"normal_class": "all"} if all_classes else {}
        return open_source(data, **(classes | given), motion=motion, **learned)

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
class SizingArguments:
    """How images are brought to the size and range that networks take."""

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
            help="Pixel values that count as darkest and brightest, such as 0,4095 for 12 bits in 16-bit files; with "
            "auto, those that most pixels of the good images use.",
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
class InspectorArguments:
    """The Inspector's own arguments, by its names for them: threshold, preset and motion."""

    false_alarm_rate: Annotated[
        float, typer.Option(metavar="R", help="Share of good parts that may be called anomalous.")
    ] = 0.01
    rule: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="How the threshold follows: conformal, quantile, k-sigma, chi-square or peaks-over-threshold.",
        ),
    ] = "conformal"
    calibration_share: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="Share of the good data that sets the threshold, where the data do not say which; 0.2 if neither this "
            "nor --folds is given.",
        ),
    ] = None
    folds: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=2,
            help="Hold nothing out: K more fits, each scoring the fold left out, set the threshold. For few images; 10 "
            "by itself for the standard detector of images or rows, where 0.2 of them would be too few for the rate.",
        ),
    ] = None
    preset: Preset = None
    motion: Annotated[
        bool | None,
        typer.Option(
            show_default=False,
            help="Images are frames of video, each folder a clip, judged with their motion; by itself where the "
            "detector asks for it.",
        ),
    ] = None

    def __post_init__(self) -> None:
        from hizumi.arguments import ProperShare, check_value
        from hizumi.calibration import check_rule

        check_rule(self.rule, self.false_alarm_rate)
        check_value(ProperShare | None, self.calibration_share, "--calibration-share")

    def inspector(
        self, detector: "str | Detector", sizing: SizingArguments, training: "TrainingOptions", cache: str | None = None
    ) -> "Inspector":
        """An unfitted inspector; wrong arguments are refused here, before data are read."""
        from hizumi.inspection import Inspector

        inspector = Inspector(detector, **vars(self), **sizing.keywords(), training=training, cache=cache)
        inspector.check()
        return inspector


@dataclass(frozen=True)
class TrainingArguments:
    """How long to train, on what batches, and where."""

    steps: Steps = None
    epochs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Training ends after so many epochs.")] = None
    max_time: Annotated[float | None, typer.Option(metavar="MINUTES", help="Training ends after so many minutes.")] = (
        None
    )
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Training ends when held-out good images have not improved for so many epochs."
        ),
    ] = None
    batch_size: Annotated[int | None, typer.Option(metavar="N", min=1, help="Images in one training step.")] = None
    accumulation: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Batches whose gradients are averaged before the weights move."),
    ] = None
    precision: Annotated[
        Literal["32-true", "bf16-mixed"], typer.Option(metavar="P", help="Of the numbers: 32-true or bf16-mixed.")
    ] = "32-true"
    accelerator: Accelerator = "cpu"

    def options(self, **others: Any) -> "TrainingOptions":
        """Training options; with a budget where any limit is given, with the model's own otherwise."""
        from hizumi.training import Budget, TrainingOptions

        refuse_missing(self.accelerator)
        limits: dict[str, Any] = {
            "steps": self.steps,
            "epochs": self.epochs,
            "max_minutes": self.max_time,
            "patience": self.patience,
        }
        given = any(limit is not None for limit in limits.values())
        return TrainingOptions(
            budget=Budget(**limits) if given else None,
            batch_size=self.batch_size,
            precision=self.precision,
            accelerator=self.accelerator,
            **({} if self.accumulation is None else {"accumulation": self.accumulation}),
            **others,
        )


@dataclass(frozen=True)
class RunArguments:
    """How one run goes: from which seed, on how many machines, and whether it goes on with an earlier one."""

    seed: Seed = 0
    devices: Annotated[int, typer.Option(metavar="N", min=1, help="Processes on each machine.")] = 1
    num_nodes: Annotated[int, typer.Option(metavar="N", min=1, help="Machines that train together.")] = 1
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run of the same command.")] = (
        False
    )
    restart: Annotated[
        bool, typer.Option("--restart", help="Delete the checkpoints of an unfinished run and begin anew.")
    ] = False
    strict: Strict = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, with estimated time and memory, and stop.")
    ] = False

    def options(self, training: TrainingArguments) -> "TrainingOptions":
        """Training options for this run."""
        return training.options(seed=self.seed, devices=self.devices, num_nodes=self.num_nodes)

    def folder_beside(self, output: Path, what: str, example: str) -> Path:
        """The run folder of a file to be written; what stands in the way is found before the work, not after it."""
        from hizumi.runs.folder import check_run_folder

        if output.suffix in ("", ".run"):
            raise UsageError(f"--output {output} is no name for a {what}; give one such as {example}")
        folder = output.with_suffix(".run")
        if not self.dry_run:
            refuse_other_file(output)
            refuse_unwritable(output)
            check_run_folder(folder, resume=self.resume, restart=self.restart)
        return folder


def parsed_image_size(text: str | None) -> int | tuple[int, int] | None:
    """64 for "64", (48, 96) for "48x96"."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise UsageError(f"--image-size {text} is no size; give pixels, such as 64, or height and width, such as 48x96")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def made_model(
    name: str, settings: Sequence[str], pairing: str | None, preset: str | None = None
) -> "tuple[Trainable, str | Pairing | None]":
    """An unfitted model and a pairing from their names, and settings such as "latent=50" or "pairing.noise=0.3"."""
    from hizumi.registry import make_model

    parsed = parsed_settings(settings)
    model = make_model(name, {k: v for k, v in parsed.items() if not k.startswith("pairing.")}, preset)

    from hizumi.generation.training_data import made_pairing  # takes seconds more

    of_pairing = {k.removeprefix("pairing."): v for k, v in parsed.items() if k.startswith("pairing.")}
    return model, made_pairing(pairing, of_pairing)


def parsed_settings(settings: Sequence[str]) -> dict[str, str]:
    """Name and value of settings such as "latent=50" or "model.latent=20"."""
    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key and equals):
            raise UsageError(f"--set {setting} is no setting; write NAME=VALUE, such as --set smoothing=2")
        parsed[key] = value
    return parsed


def names_between_commas(text: str) -> tuple[str, ...]:
    """Names such as "pca" and "likelihood(pixel_cnn, ratio)": commas in brackets belong to a name."""
    names = (name.strip() for name in re.findall(r"(?:[^,(]|\(.*?\))+", text))
    return tuple(name for name in names if name)


def parsed_window(text: str | None) -> "tuple[float, float] | Literal['auto'] | None":
    """Two numbers from a text such as 0,4095, or auto."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--window {text} is no window; give two numbers, such as 0,4095, or auto") from None
    return low, high


def refuse_two_on_standard_output(json_to: str | None, csv_to: str | None) -> None:
    """Make sure that JSON and CSV do not mix."""
    if json_to == csv_to == "-":
        raise UsageError("--json and --csv cannot both go to standard output; name a file for one of them")


def refuse_other_file(path: Path) -> None:
    """Make sure that a bundle to be written would take the place of nothing but another bundle."""
    from hizumi.storage.archive import kind_of

    if not path.is_file() or not path.stat().st_size:
        return
    try:
        kind_of(path)
    except BundleError as error:
        raise UsageError(f"{printable(path)} is a file and no bundle; name another --output, or delete it") from error


def refuse_missing(accelerator: str) -> None:
    """Make sure that torch can compute there."""
    import torch

    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not found.get(accelerator, True):
        raise UsageError(f"--accelerator {accelerator}: torch finds none on this machine; use cpu")

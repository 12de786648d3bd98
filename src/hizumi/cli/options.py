"""Options and arguments that several commands share, and what they mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hizumi.errors import SaveError, UsageError

if TYPE_CHECKING:
    from hizumi.data.pairs import Pairing
    from hizumi.detectors import Detector
    from hizumi.training import Trainable, TrainingOptions

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="A folder of images, a .csv, .npz, .npy or video file, or a built-in set: digits, brick, gravel, grass.",
    ),
]
BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", show_default=False, help="A file that fit has written.")]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="A file that train has written.")]
Targets = Annotated[
    str | None,
    typer.Option(
        "--targets", metavar="DATA", help="What the images of DATA turn into, by the same names, or the other set."
    ),
]
JsonTo = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Also write the result as JSON; - is standard output."),
]
CsvTo = Annotated[
    str | None,
    typer.Option("--csv", metavar="FILE", help="Also write one row for each input as CSV; - is standard output."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first image that cannot be read.")]
NormalClass = Annotated[
    int | None, typer.Option("--normal-class", metavar="N", help="Which of several classes is the normal one.")
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        "--image-size",
        metavar="N|HxW",
        help="Working size in pixels; the images' own where the detector can take it, if not given.",
    ),
]
Tiles = Annotated[bool, typer.Option("--tiles", help="Look at full-size images through windows of the image size.")]
Rate = Annotated[
    float,
    typer.Option("--false-alarm-rate", metavar="R", help="Share of good parts that may be called anomalous."),
]
Rule = Annotated[
    str,
    typer.Option(
        "--rule",
        metavar="RULE",
        help="How the threshold follows: conformal, quantile, k-sigma, chi-square or peaks-over-threshold.",
    ),
]
CalibrationShare = Annotated[
    float,
    typer.Option(
        "--calibration-share",
        metavar="S",
        help="Share of the good data that sets the threshold, where the data do not say which.",
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        "--folds",
        metavar="K",
        help="Hold nothing out: K more fits, each scoring the fold left out, set the threshold. For few images.",
    ),
]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="NAME", help="Ready-made settings in place of the paper's: fast takes some two minutes."
    ),
]
Motion = Annotated[
    bool | None,
    typer.Option(
        "--motion/--no-motion",
        show_default=False,
        help="Images are frames of video, each folder a clip, judged with their motion; by itself where the detector "
        "asks for it.",
    ),
]
PixelWindow = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="LOW,HIGH",
        help="Pixel values that count as darkest and brightest, such as 0,4095 for 12 bits in 16-bit files.",
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", metavar="N", help="Training ends after so many steps.")]
Epochs = Annotated[int | None, typer.Option("--epochs", metavar="N", help="Training ends after so many epochs.")]
MaxTime = Annotated[
    float | None, typer.Option("--max-time", metavar="MINUTES", help="Training ends after so many minutes.")
]
Patience = Annotated[
    int | None,
    typer.Option(
        "--patience",
        metavar="N",
        help="Training ends when held-out good images have not improved for so many epochs.",
    ),
]
BatchSize = Annotated[int | None, typer.Option("--batch-size", metavar="N", help="Images in one training step.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Where every random choice starts from.")]
Precision = Annotated[
    Literal["32-true", "bf16-mixed"],
    typer.Option("--precision", metavar="P", help="Of the numbers: 32-true or bf16-mixed."),
]
Accelerator = Annotated[
    Literal["cpu", "cuda", "mps", "auto"],
    typer.Option("--accelerator", metavar="A", help="Where to train: cpu, cuda, mps or auto."),
]
Devices = Annotated[int, typer.Option("--devices", metavar="N", help="Processes on each machine.")]
NumNodes = Annotated[int, typer.Option("--num-nodes", metavar="N", help="Machines that train together.")]


def parsed_image_size(text: str | None) -> int | tuple[int, int] | None:
    """64 for "64", (48, 96) for "48x96"."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise UsageError(f"--image-size {text} is no size; give pixels, such as 64, or height and width, such as 48x96")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def made_detector(name: str, settings: Sequence[str], preset: str | None = None) -> "Detector":
    """An unfitted detector from its name, its preset, and settings such as "latent=50" or "model.latent=20"."""
    from hizumi.registry import make_detector

    return make_detector(name, _parsed(settings), preset)


def made_model(name: str, settings: Sequence[str], pairing: str | None) -> "tuple[Trainable, str | Pairing | None]":
    """An unfitted model and a pairing from their names, and settings such as "latent=50" or "pairing.noise=0.3"."""
    from hizumi.generation.training_data import made_pairing
    from hizumi.registry import make_model

    parsed = _parsed(settings)
    model = make_model(name, {k: v for k, v in parsed.items() if not k.startswith("pairing.")})
    of_pairing = {k.removeprefix("pairing."): v for k, v in parsed.items() if k.startswith("pairing.")}
    return model, made_pairing(pairing, of_pairing)


def _parsed(settings: Sequence[str]) -> dict[str, str]:
    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key and equals):
            raise UsageError(f"--set {setting} is no setting; write NAME=VALUE, such as --set smoothing=2")
        parsed[key] = value
    return parsed


def training_options(
    *,
    steps: int | None = None,
    epochs: int | None = None,
    max_time: float | None = None,
    patience: int | None = None,
    **others: Any,
) -> "TrainingOptions":
    """Training options with a budget where any limit is given, the model's own budget otherwise."""
    from hizumi.training import Budget, TrainingOptions

    refuse_missing(others["accelerator"])
    limits = {"steps": steps, "epochs": epochs, "max_minutes": max_time, "patience": patience}
    given = any(limit is not None for limit in limits.values())
    return TrainingOptions(budget=Budget(**limits) if given else None, **others)  # type: ignore[arg-type]  # one mapping for numbers of two kinds


def parsed_window(text: str | None) -> tuple[float, float] | None:
    """Two numbers from a text such as 0,4095."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--window {text} is no window; give two numbers, such as 0,4095") from None
    return low, high


def refuse_unwritable(path: Path) -> None:
    """Make sure that a file can be written, and make its folder: before the work, not after it."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SaveError(f"cannot write {path}: {error.strerror}; name another --output") from error


def refuse_missing(accelerator: str) -> None:
    """Make sure that torch can compute there."""
    import torch

    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not found.get(accelerator, True):
        raise UsageError(f"--accelerator {accelerator}: torch finds none on this machine; use cpu")

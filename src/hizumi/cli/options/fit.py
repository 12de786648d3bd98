"""What is fitted: detectors and models by name, their settings, and an inspector's own arguments."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from hizumi.cli.options.data import SizingArguments, refuse_absent
from hizumi.errors import UsageError, refuse_repeated
from hizumi.registry.names import refuse_unknown
from hizumi.registry.standard import STANDARD

if TYPE_CHECKING:
    from hizumi.calibration import Costs
    from hizumi.data.pairs import Pairing
    from hizumi.data.region import Region
    from hizumi.data.variation import Variation
    from hizumi.detectors import Detector
    from hizumi.inspection import Inspector
    from hizumi.training import Trainable, TrainingOptions


def _refuse_unknown_detector(name: str) -> str:
    """Make sure that there is such a detector, before its file is imported."""
    if name != STANDARD:
        refuse_unknown(name, "detector")
    return name


def _refuse_unknown_detectors(names: str) -> str:
    found = names_between_commas(names, "--detectors")
    if not found:
        raise UsageError("--detectors is empty; name some, such as -d reconstruction,mahalanobis")
    for name in found:
        _refuse_unknown_detector(name)
    return names


def _refuse_unknown_model(name: str) -> str:
    refuse_unknown(name, "model")
    return name


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
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Ready-made settings in place of the paper's: fast takes two or three minutes.",
        rich_help_panel="Options",
    ),
]


@dataclass(frozen=True)
class InspectorArguments:
    """The Inspector's own arguments, by its names for them: threshold, preset and motion."""

    heading: ClassVar[str] = "Threshold"

    false_alarm_rate: Annotated[
        float, typer.Option(metavar="R", min=0, max=1, help="Share of good parts that may be called anomalous.")
    ] = 0.01
    rule: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="How the threshold follows: conformal, cross-conformal, quantile, k-sigma, chi-square or "
            "peaks-over-threshold.",
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
            help="Hold nothing out: K more fits, each scoring the fold left out, set the threshold. For few inputs; 10 "
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
            rich_help_panel=SizingArguments.heading,
        ),
    ] = None

    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="Turn and shift each image, never mirror it, until its part lies as in a reference, one of the good "
            "images; maps come back as the image lies.",
            rich_help_panel=SizingArguments.heading,
        ),
    ] = False

    def __post_init__(self) -> None:
        from hizumi.arguments import ProperShare, check_value
        from hizumi.calibration import check_rule

        check_rule(self.rule, self.false_alarm_rate)
        check_value(ProperShare | None, self.calibration_share, "--calibration-share")

    def inspector(
        self,
        detector: "str | Detector",
        sizing: SizingArguments,
        training: "TrainingOptions",
        cache: str | None = None,
        costs: "Costs | None" = None,
        variation: "Variation | None" = None,
        region: "Region | None" = None,
    ) -> "Inspector":
        """An unfitted inspector; wrong arguments are refused here, before data are read."""
        making = self.inspector_of(sizing, training, cache=cache, costs=costs, variation=variation, region=region)
        return making(detector)

    def inspector_of(
        self, sizing: SizingArguments, training: "TrainingOptions", **others: Any
    ) -> "Callable[[str | Detector], Inspector]":
        """What makes an unfitted inspector of a detector, and refuses wrong arguments."""
        from hizumi.inspection import Inspector

        def made(detector: "str | Detector") -> Inspector:
            inspector = Inspector(detector, **vars(self), **sizing.keywords(), training=training, **others)
            inspector.check()
            return inspector

        return made


@dataclass(frozen=True)
class CostArguments:
    """Known defects, and what it costs to miss one or to raise a false alarm."""

    heading: ClassVar[str] = "Known defects"

    known_defects: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            callback=refuse_absent,
            help="Defects that are known: nothing is trained on them. Says how many of them the threshold finds, and "
            "with the three below sets it.",
        ),
    ] = None
    cost_miss: Annotated[
        float | None, typer.Option(metavar="C", help="What a missed defect costs, in any unit; with the other two.")
    ] = None
    cost_alarm: Annotated[
        float | None, typer.Option(metavar="C", help="What a false alarm costs, in the same unit.")
    ] = None
    defect_share: Annotated[
        float | None, typer.Option(metavar="S", help="Share of all parts that is expected to be defective.")
    ] = None

    def __post_init__(self) -> None:
        self.costs()  # refuses what is no cost before anything is imported

    def costs(self) -> "Costs | None":
        """The costs; None where none is given."""
        from hizumi.calibration import Costs

        miss, alarm, share = self.cost_miss, self.cost_alarm, self.defect_share
        if miss is None and alarm is None and share is None:
            return None
        if miss is None or alarm is None or share is None:
            raise UsageError(
                "--cost-miss, --cost-alarm and --defect-share go together: without all three no threshold costs least"
            )
        return Costs(miss, alarm, share)


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
        if key in parsed:
            raise UsageError(f"--set {key} was given several times, of which only the last would count; give it once")
        parsed[key] = value
    return parsed


def names_between_commas(text: str, option: str) -> tuple[str, ...]:
    """Names such as "pca" and "likelihood(pixel_cnn, ratio)": commas in brackets belong to a name.

    Raises UsageError for a name that the option has more than once.
    """
    names = (name.strip() for name in re.findall(r"(?:[^,(]|\(.*?\))+", text))
    found = tuple(name for name in names if name)
    refuse_repeated(found, option)
    return found

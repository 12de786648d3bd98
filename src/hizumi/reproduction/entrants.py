"""Who enters the protocols, with which settings: each detector under its own name, and some with others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeGuard

from hizumi.arguments import clone
from hizumi.detectors import ALAD, EGBAD, DeepSVDD, Detector, GANomaly, Likelihood, Reconstruction, WhitenedResidual
from hizumi.detectors.alad import ALADTraining
from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.models import VAE, Autoencoder, BiGAN, Flow, GatedPixelCNN
from hizumi.registry import construct, detector_class, find_detectors, specify
from hizumi.reproduction.protocol import BudgetName, Leak, Mode, Protocol
from hizumi.training import Budget, TrainingOptions
from hizumi.training.options import Accelerator
from hizumi.training.preset import Preset, preset_of


@dataclass(frozen=True, eq=False)
class Entrant:
    """A detector that enters a protocol: its name in the ledger, how to make it, and how it is trained.

    `specification` says in plain data what `make` gives; `changes` what in it differs from the paper's settings.
    """

    name: str
    detector: str
    make: Callable[[], Detector]
    options: TrainingOptions
    specification: Mapping[str, Any]
    changes: Mapping[str, Any]


class Entry(NamedTuple):
    """A detector with arguments of its own, and its whole short form where the preset "fast" is of no use with them.

    Arguments that come with a preset, in both budgets, are a `preset`.
    """

    detector: str
    arguments: Callable[[], Mapping[str, Any]] = dict
    short: Preset | None = None
    preset: str | None = None


def _pixel_cnn(image_score: Literal["plain", "typicality", "ratio", "complexity"]) -> Entry:
    short = Preset(
        lambda: Likelihood(GatedPixelCNN(levels=8, width=24, layers=4), image_score=image_score),
        TrainingOptions(budget=Budget(steps=1000), batch_size=16),
    )
    return Entry("likelihood", lambda: {"model": GatedPixelCNN(), "image_score": image_score}, short)


ENTRIES: Mapping[str, Entry] = {
    "mahalanobis(mean)": Entry("mahalanobis", lambda: {"features": "raw", "covariance": "identity"}),
    "deep_svdd(soft)": Entry("deep_svdd", lambda: {"boundary": "soft"}),
    "egbad(feature matching)": Entry("egbad", lambda: {"discrimination": "features"}),
    "likelihood(pixel_cnn)": _pixel_cnn("plain"),
    "likelihood(pixel_cnn, typicality)": _pixel_cnn("typicality"),
    "likelihood(pixel_cnn, ratio)": _pixel_cnn("ratio"),
    "likelihood(pixel_cnn, complexity)": _pixel_cnn("complexity"),
    "likelihood(flow)": Entry(
        "likelihood",
        lambda: {"model": Flow()},
        Preset(lambda: Likelihood(Flow.presets["fast"].make()), Flow.presets["fast"].options),
    ),
    "nearest_features(flattened)": Entry("nearest_features", preset="flattened"),
    "gaussian_features(flattened)": Entry("gaussian_features", preset="flattened"),
    "gaussian_features(untrained)": Entry("gaussian_features", preset="untrained"),
    "ensemble(flattened)": Entry("ensemble", preset="flattened"),
    "reconstruction(plain)": Entry("reconstruction", lambda: {"difference": "l2"}),
    "reconstruction(vae)": Entry("reconstruction", lambda: {"model": VAE()}),
    "on_features(autoencoder)": Entry("on_features", preset="autoencoder"),
}


def _ganomaly_of_series() -> GANomaly:
    return GANomaly(GANomalyTraining(latent=16, width=8, learning_rate=2e-3))


_OF_SERIES = TrainingOptions(budget=Budget(steps=200), batch_size=16)
ON_SERIES: Mapping[str, Preset] = {
    "reconstruction": Preset(lambda: Reconstruction(Autoencoder()), _OF_SERIES),
    "reconstruction(plain)": Preset(lambda: Reconstruction(Autoencoder(), difference="l2"), _OF_SERIES),
    "reconstruction(vae)": Preset(lambda: Reconstruction(VAE(latent=16, width=16, learning_rate=4e-3)), _OF_SERIES),
    "ganomaly": Preset(_ganomaly_of_series, _OF_SERIES),
    "whitened_residual": Preset(lambda: WhitenedResidual(_ganomaly_of_series()), _OF_SERIES),
    "likelihood(pixel_cnn)": Preset(lambda: Likelihood(GatedPixelCNN(levels=32, width=16, layers=4)), _OF_SERIES),
}
"""By row: the short settings on collections of series, each of which is fitted twice: a second or two a fit.

Chosen by time, not by figures: after 200 steps an autoencoder's training error still falls, by two fifths to a half
until 400 on a series of each collection.
"""

LEFT_OUT: Mapping[str, str] = {
    "control_chart": "it looks for drift from one item to the next, and items of a pool have no order",
    "ensemble": "its members of themselves are rows already",
}
"""Detectors without a row of their own, and why. So are those that need what a protocol does not offer."""


ON_DATA: Mapping[tuple[str, str], Preset] = {
    ("mnist-one-class-normal", "deep_svdd"): DeepSVDD.presets["digits"],
    ("kdd99", "egbad"): Preset(
        lambda: EGBAD(
            BiGAN(
                latent=32,
                learning_rate=1e-5,
                decay_start=1.0,
                weight_decay=0.0,
                average_decay=0.9999,
                encoder_hidden=(64,),
                critic_hidden=(128,),
                critic_apart=128,
                dropout=0.2,
            )
        ),
        TrainingOptions(budget=Budget(epochs=50), batch_size=50),
    ),
    ("kdd99", "alad"): Preset(
        lambda: ALAD(
            ALADTraining(latent=32, code_critic_hidden=(32,), spectral_norm=False, learning_rate=1e-5, decay_start=1.0)
        ),
        TrainingOptions(budget=Budget(epochs=50), batch_size=50),
    ),
    ("arrhythmia", "alad"): Preset(
        lambda: ALAD(
            ALADTraining(
                latent=64,
                encoder_hidden=(256, 128),
                generator_hidden=(256, 128),
                item_critic_hidden=(256, 128),
                spectral_norm=False,
                learning_rate=1e-5,
                decay_start=1.0,
            )
        ),
        TrainingOptions(budget=Budget(epochs=1000), batch_size=32),
    ),
}
"""By protocol and detector: what the paper's budget has in place of the detector's defaults, as its authors did."""


CHOSEN_ON_TEST: Mapping[tuple[str, str], str] = {
    ("magnetic-tile", "gaussian_features(flattened)"): "settings chosen on the test figures of seed 0",
    ("magnetic-tile", "gaussian_features(untrained)"): "settings chosen on the test figures of seed 0",
    ("magnetic-tile", "nearest_features(flattened)"): "settings chosen on the test figures of seed 0",
    ("magnetic-tile", "ensemble(flattened)"): "members' settings chosen on the test figures of seed 0",
    ("ped2", "cross_channel"): "settings chosen after three looks at test figures",
}
"""By protocol and row: what is optimistic about it, for these sets have no defects but those that are tested."""


def rows_of(protocol: Protocol) -> tuple[str, ...]:
    """Names in the ledger that run where none are named: all detectors that can enter, then the variants."""
    return (
        *(name for name, found in find_detectors().items() if _can_enter(name, found, protocol)),
        *protocol.variants,
    )


def _can_enter(name: str, found: type[Detector], protocol: Protocol) -> bool:
    needs = {need for need in found.card.needs if not need.startswith("hizumi[")}  # an extra can be installed
    return name not in LEFT_OUT and protocol.items in found.card.takes and needs <= set(protocol.offers)


def entrant(name: str, protocol: Protocol, mode: Mode, budget: BudgetName, accelerator: Accelerator = "cpu") -> Entrant:
    """The detector of this name in the ledger, its settings in plain data, and where they are not the paper's."""
    chosen, papers = settled(name, protocol, mode, budget), settled(name, protocol, mode, "paper")
    make, options = chosen.make, replace(chosen.options, accelerator=accelerator)
    plain, training = specify(make()), _training(make(), options)
    changes = differences(plain["arguments"], specify(papers.make())["arguments"])
    changes |= differences(training, _training(papers.make(), papers.options))
    return Entrant(name, detector_of(name), make, options, {**plain, "training": training}, changes)


def departure_of(name: str, budget: BudgetName) -> str:
    """In which way a row's short settings are another method than the paper's; "" where they are not."""
    entry = ENTRIES.get(name, Entry(name))
    presets = detector_class(entry.detector).presets
    return presets["fast"].departure if budget == "short" and entry.short is None and "fast" in presets else ""


def differences_today(options: Mapping[str, Any], protocol: Protocol, name: str, mode: Mode) -> dict[str, list[Any]]:
    """What in a row's stored settings differs from the paper's as they are known now, which may be better than then.

    Raises UsageError where the detector no longer takes the stored arguments.
    """
    papers = settled(name, protocol, mode, "paper")
    now = specify(construct(dict(options)))["arguments"]
    training = _training(papers.make(), papers.options)
    return differences(now, specify(papers.make())["arguments"]) | differences(options["training"], training)


def _training(detector: Detector, options: TrainingOptions) -> dict[str, list[Any]]:
    """Budget, in words such as "15 epochs", and batch size of each phase."""
    phases = detector.phases()
    return {
        "budget": [_in_words(each) for each in options.budgets([phase.default_budget for phase in phases])],
        "batch_size": [options.batch_size or phase.default_batch_size for phase in phases],
    }


def _in_words(budget: Budget) -> str:
    limits = {"steps": budget.steps, "epochs": budget.epochs, "minutes": budget.max_minutes}
    return " or ".join(f"{limit:g} {unit}" for unit, limit in limits.items() if limit is not None)


def settled(name: str, protocol: Protocol, mode: Mode, budget: BudgetName) -> Preset:
    """The detector of this name in the ledger, and its training, for one protocol, mode and budget."""
    entry = ENTRIES.get(name, Entry(name))
    found = detector_class(entry.detector)
    if entry.preset is not None:
        return preset_of(found, entry.preset)
    if budget == "short" and protocol.items == "series" and name in ON_SERIES:
        return ON_SERIES[name]
    if budget == "short" and entry.short is not None:
        return entry.short
    own = ON_DATA.get((protocol.name, entry.detector), Preset(found))
    preset = preset_of(found, "fast") if budget == "short" else own
    leaky = Leak.BATCH_STATISTICS in protocol.leaks_of(entry.detector, mode)
    return preset._replace(
        make=lambda: clone(preset.make(), **entry.arguments(), **({"bn_mode": "batch"} if leaky else {}))
    )


def detector_of(name: str) -> str:
    """The detector behind a name in the ledger."""
    return ENTRIES[name].detector if name in ENTRIES else name


def differences(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs between two sets of arguments in plain data, by name: [here, there]; models are compared inside."""
    found: dict[str, list[Any]] = {}
    for name, value in settings.items():
        other = defaults.get(name)
        if _is_part(value) and _is_part(other) and value["name"] == other["name"]:
            inside = differences(value["arguments"], other["arguments"])
            found |= {f"{name}.{key}": pair for key, pair in inside.items()}
        elif value != other:
            found[name] = [_short(value), _short(other)]
    return found


def _is_part(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and value.keys() == {"name", "arguments"}


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value]
    return value["name"] if _is_part(value) else value

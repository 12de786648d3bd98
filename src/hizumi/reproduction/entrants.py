"""Who enters the protocols, with which settings: each detector under its own name, and some with others."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, TypeGuard

from hizumi.detectors import ALAD, EGBAD, Detector, Likelihood
from hizumi.detectors.alad import ALADTraining
from hizumi.models import BiGAN, GatedPixelCNN
from hizumi.registry import detector_class
from hizumi.reproduction.protocol import BudgetName, Leak, Mode, Protocol
from hizumi.training import Budget, TrainingOptions
from hizumi.training.preset import Preset, preset_of


class Entry(NamedTuple):
    """A detector with arguments of its own, and its whole short form where the preset "fast" is of no use with them.

    Arguments that come with a preset, in both budgets, are a `preset`.
    """

    detector: str
    arguments: Callable[[], Mapping[str, Any]] = dict
    short: Callable[[], Preset] | None = None
    preset: str | None = None


def _pixel_cnn(image_score: Literal["plain", "typicality", "ratio", "complexity"]) -> Entry:
    def short() -> Preset:
        model = partial(GatedPixelCNN, levels=8, width=24, layers=4)
        return Preset(
            lambda: Likelihood(model(), image_score=image_score),
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
    "nearest_features(flattened)": Entry("nearest_features", preset="flattened"),
    "gaussian_features(flattened)": Entry("gaussian_features", preset="flattened"),
    "gaussian_features(untrained)": Entry("gaussian_features", preset="untrained"),
    "ensemble(flattened)": Entry("ensemble", preset="flattened"),
}


def _kdd_egbad() -> Preset:
    model = partial(
        BiGAN,
        latent=32,
        learning_rate=1e-5,
        weight_decay=0.0,
        average_decay=0.9999,
        encoder_hidden=(64,),
        critic_hidden=(128,),
        critic_apart=128,
        dropout=0.2,
        spectral_norm=True,  # not the authors', but ALAD's: short runs swung less with it
    )
    return Preset(lambda: EGBAD(model()), TrainingOptions(budget=Budget(epochs=50), batch_size=50))


def _kdd_alad() -> Preset:
    model = partial(ALADTraining, latent=32, code_critic_hidden=(32,), learning_rate=1e-5)
    return Preset(lambda: ALAD(model()), TrainingOptions(budget=Budget(epochs=50), batch_size=50))


def _arrhythmia_alad() -> Preset:
    hidden = (256, 128)
    model = partial(
        ALADTraining,
        latent=64,
        encoder_hidden=hidden,
        generator_hidden=hidden,
        item_critic_hidden=hidden,
        learning_rate=1e-5,
    )
    return Preset(lambda: ALAD(model()), TrainingOptions(budget=Budget(epochs=1000), batch_size=32))


ON_DATA: Mapping[tuple[str, str], Callable[[], Preset]] = {
    ("kdd99", "egbad"): _kdd_egbad,
    ("kdd99", "alad"): _kdd_alad,
    ("arrhythmia", "alad"): _arrhythmia_alad,
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


def settled(name: str, protocol: Protocol, mode: Mode, budget: BudgetName) -> Preset:
    """The detector of this name in the ledger, and its training, for one protocol, mode and budget."""
    entry = ENTRIES.get(name, Entry(name))
    found = detector_class(entry.detector)
    if entry.preset is not None:
        return preset_of(found, entry.preset)
    if budget == "short" and entry.short is not None:
        return entry.short()
    if budget == "short":
        preset = preset_of(found, "fast")
    else:
        preset = ON_DATA.get((protocol.name, entry.detector), lambda: Preset(found))()
    leaky = Leak.BATCH_STATISTICS in protocol.leaks_of(entry.detector, mode)
    return preset._replace(
        make=lambda: with_arguments(preset.make(), **entry.arguments(), **({"bn_mode": "batch"} if leaky else {}))
    )


def detector_of(name: str) -> str:
    """The detector behind a name in the ledger."""
    return ENTRIES[name].detector if name in ENTRIES else name


def with_arguments(detector: Detector, **arguments: Any) -> Detector:
    """A new detector like this one, but for some arguments."""
    own = {key: getattr(detector, key) for key in inspect.signature(type(detector)).parameters}
    return type(detector)(**own | arguments)


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

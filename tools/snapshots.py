"""What every training step does, in numbers: losses, gradients, and where the networks stand after some steps.

    python -m tools.snapshots     measure anew and write tests/steps/*.json, whose differences are then to be read

Numbers alone prove nothing right: the tests of formulas do. These notice any change of a step, wanted or not.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hizumi import detectors, models
from hizumi.detectors import Detector
from hizumi.models.autoregressive import Autoregressive
from hizumi.registry import find_detectors, find_models
from hizumi.training import Trainable
from hizumi.training.preset import preset_of

FOLDER = Path(__file__).parents[1] / "tests" / "steps"
SHAPE, VECTOR_SHAPE = (1, 24, 32), (6,)
MOTION_SHAPE = (4, 24, 32)
PROGRESS = (0.0, 0.3, 0.55, 0.95)
SCHEDULE_AT = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

# Settings that the presets leave out, and whose code would otherwise not be run.
VARIANTS: dict[str, Callable[[], Trainable | Detector]] = {
    "autoencoder, noise and sparsity": lambda: models.Autoencoder(width=4, layout="flat", noise=0.3, sparsity=0.1),
    "vae, bernoulli": lambda: models.VAE(latent=4, width=4, density="bernoulli", beta=2.0, warmup=0.5),
    "gan, minimax": lambda: models.GAN(4, (8, 8), "minimax", label_smoothing=0.1, pretraining_steps=1),
    "gan, least squares": lambda: models.GAN(4, (8, 8), "least-squares", discriminator_steps=2, average_decay=None),
    "dcgan, without batch norm": lambda: models.DCGAN(4, 4, batch_norm=False, pretraining_steps=1),
    "bigan, stochastic": lambda: models.BiGAN(4, 4, "stochastic", instance_noise=0.1, spectral_norm=True),
    "cycle_gan, u-net": lambda: models.CycleGAN(4, "unet", pool=2),
    "gated_pixel_cnn, classes": lambda: models.GatedPixelCNN(classes=3),
    "skip_ganomaly, noise": lambda: detectors.SkipGANomaly(detectors.SkipGANomalyTraining(width=4, noise=0.2)),
    "ganomaly, bce": lambda: detectors.GANomaly(detectors.GANomalyTraining(latent=4, width=4, adversarial="bce")),
    "alad, cycle": lambda: detectors.ALAD(detectors.ALADTraining(latent=4, width=4, cycle_weight=0.5)),
    "deep_svdd, soft": lambda: detectors.DeepSVDD(detectors.DeepSVDDTraining(small_pretraining(), "soft")),
    "likelihood, ratio": lambda: detectors.Likelihood(models.VAE(latent=4, width=4), image_score="ratio"),
}


def small_pretraining() -> Any:
    """Of a small Deep SVDD."""
    return detectors.Pretraining(code=8, widths=(4, 8))


def main() -> None:
    """Write the snapshots of today."""
    FOLDER.mkdir(exist_ok=True)
    for name, made in (("optimisers", optimisers()), ("steps", steps())):
        text = json.dumps(made, indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def optimisers() -> dict[str, Any]:
    """Every optimiser as the papers' defaults make it: kind, rates, schedule, clipping, and what it moves."""
    return {entry: made for name in trained_classes() for entry, made in optimisers_of(name).items()}


def optimisers_of(name: str) -> dict[str, Any]:
    """The optimisers of one model or detector."""
    return {f"{name}: {phase}": _optimisers_of(model) for phase, model in _built(trained_classes()[name]())}


def steps() -> dict[str, Any]:
    """Losses and gradients of each update in some steps, and the networks afterwards, of small models and variants."""
    return {entry: made for name in [*trained_classes(), *VARIANTS] for entry, made in steps_of(name).items()}


def steps_of(name: str) -> dict[str, Any]:
    """The steps of one model, detector or variant."""
    make = VARIANTS[name] if name in VARIANTS else preset_of(trained_classes()[name], "small").make
    with _double_precision():
        return {f"{name}: {phase}": _steps_of(model) for phase, model in _built(make())}


def trained_classes() -> dict[str, Any]:
    """Models and detectors that bring a training step of their own."""
    found = {**find_models(), **find_detectors()}
    return {name: cls for name, cls in found.items() if issubclass(cls, Trainable) or _trains(cls)}


def _trains(cls: Any) -> bool:
    # A model that detectors only wrap has a snapshot of its own.
    return any(not type(phase).__module__.startswith("hizumi.models") for phase in cls().phases())


def _built(made: Trainable | Detector) -> Iterator[tuple[str, Trainable]]:
    """Every model that it trains, prepared from one seed, by its class."""
    shape = MOTION_SHAPE if "motion" in made.card.needs else SHAPE
    phases = [made] if isinstance(made, Trainable) else made.phases()
    for phase in phases:
        torch.manual_seed(0)
        phase.prepare(shape)
        yield type(phase).__name__, phase


def _optimisers_of(model: Trainable) -> dict[str, Any]:
    owners = {parameter: name for name, parameter in model.named_parameters()}
    return {
        name: {
            "kind": type(optimiser).__name__,
            **{key: optimiser.defaults[key] for key in _SETTINGS if key in optimiser.defaults},
            "schedule": [round(model._schedules[name](at), 4) for at in SCHEDULE_AT],
            "clip": model._clips[name],
            "moves": sorted({owners[p].split(".")[0] for group in optimiser.param_groups for p in group["params"]}),
        }
        for name, optimiser in model.optimisers.items()
        if name in model._schedules  # else the optimisers of a model that it wraps
    }


_SETTINGS = ("lr", "betas", "momentum", "weight_decay")


def _steps_of(model: Trainable) -> dict[str, Any]:
    from hizumi.data.stream import TensorSource

    batch = _batch(model)
    items = batch[0] if isinstance(batch, tuple) else batch
    with torch.no_grad():
        model.begin(TensorSource(items))
    updates: list[Any] = []
    with _recorded(updates):
        for number, progress in enumerate(PROGRESS):
            torch.manual_seed(number)
            model.clock.steps_done, model.clock.progress = number, progress
            model.step(batch)
            model.clock.images_seen += len(items)
    return {"updates": updates, "networks": {name: _place(module) for name, module in model.named_children()}}


def _batch(model: Trainable) -> Any:
    shape = model.require_built()
    generator = torch.Generator().manual_seed(1)
    rows, columns = torch.arange(shape[1])[:, None] / 8, torch.arange(shape[2])[None] / 8
    amplitude = torch.rand(8, shape[0], 1, 1, generator=generator)
    items = torch.sin(rows + columns + 6 * amplitude) * (0.3 + 0.3 * amplitude)
    if "labels" in model.card.needs or (isinstance(model, Autoregressive) and model.classes is not None):
        return items, torch.arange(8) % 3
    return (items, -items) if {"pairs", "two sets"} & set(model.card.needs) else items


@contextmanager
def _recorded(updates: list[Any]) -> Iterator[None]:
    """Keep the loss and the gradient of each update: how long it is, and its product with a fixed vector."""
    original = Trainable.update

    def update(self: Trainable, name: str, loss: Tensor, *, keep_graph: bool = False) -> Tensor:
        told = original(self, name, loss, keep_graph=keep_graph)
        gradients = [p.grad for group in self.optimisers[name].param_groups for p in group["params"]]
        flat = torch.cat([g.flatten().double() for g in gradients if g is not None])
        updates.append([name, _digits(float(loss.detach())), _digits(float(flat.norm())), _digits(_product(flat))])
        return told

    Trainable.update = update  # type: ignore[method-assign]
    try:
        yield
    finally:
        Trainable.update = original  # type: ignore[method-assign]


@contextmanager
def _double_precision() -> Iterator[None]:
    """In single precision, other processors round otherwise, and some steps magnify that a thousand times."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def _place(module: nn.Module) -> float:
    """Where a network stands: the product of all that it holds with a fixed vector."""
    state = [value.flatten().double() for value in module.state_dict().values() if value.is_floating_point()]
    return _digits(_product(torch.cat(state))) if state else 0.0


def _product(flat: Tensor) -> float:
    return float(flat @ torch.cos(torch.arange(len(flat), dtype=torch.float64)))


def _digits(value: float) -> float:
    return float(f"{value:.6g}")


if __name__ == "__main__":
    main()

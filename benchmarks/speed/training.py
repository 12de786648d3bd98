"""Steps of training: GANomaly's against the released code's and another tool's, and those of every model."""

import statistics
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed import peers
from benchmarks.speed.ceilings import ceilings_beside, share
from benchmarks.speed.measuring import Figure, Report, Run, Setting, in_turn, operations, ratio, shares_of_time
from benchmarks.speed.plain import ganomaly_step
from benchmarks.speed.scoring import built_in
from hizumi.detectors import GANomaly
from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.evaluation import auroc
from hizumi.networks import lay_out
from hizumi.registry import find_models
from hizumi.training import Budget, Trainable, TrainingOptions

ENOUGH_OF_GANOMALY = 0.5  # of its share of the ceiling; a model below it has a profile that says why
BF16 = "bf16-mixed"


def train_ganomaly(setting: Setting) -> Report:
    """One step on a batch of 64, as the training loop takes it."""
    report = Report()
    for shape in setting.pick(((3, 32, 32), (1, 64, 64)), ((1, 32, 32),)):
        batch = _images(shape, setting.pick(64, 4), setting)
        width = setting.pick(64, 8)
        plain = GANomalyTraining(width=width).prepare(shape).to(setting.device).train()
        models = {
            precision: _as_in_the_loop(GANomalyTraining(width=width), shape, setting) for precision in ("fp32", BF16)
        }
        steps = {precision: _step(model, batch, precision, setting) for precision, model in models.items()}
        ways = {"plain": lambda plain=plain, batch=batch: ganomaly_step(plain, batch), **steps}
        with peers.anomalib("step", *shape[:2], len(batch)) as others:
            seconds = in_turn(ways | others | ceilings_beside(("fp32", "bf16"), setting), setting)
        work, size = operations(ways["plain"]), "x".join(map(str, shape))
        for precision, asked in (("fp32", 1.35), (BF16, 2.2)):
            way = f"{size}, {precision}"
            report.figures.append(
                Figure(
                    f"step, {way}",
                    ratio(seconds, "plain", precision),
                    at_least=asked,
                    of_ceiling=share(seconds, precision, operations(steps[precision]), precision[:4], setting),
                )
            )
            if others:
                against, asked = ratio(seconds, "anomalib", precision), 2.5 if precision == BF16 else None
                report.figures.append(Figure(f"step, {way}, against anomalib's networks", against, at_least=asked))
            report.profiles[f"training step, {way}"] = shares_of_time(steps[precision])
        report.figures.append(Figure(f"arithmetic of a step, {size}", work / operations(steps["fp32"])))
        report.seconds |= {f"{size}, {way}": timing for way, timing in seconds.items()}
    return report


def train_agreement(setting: Setting) -> Report:
    """What training in bfloat16 does to the area under the ROC curve, GANomaly, three seeds on a built-in set."""
    report, areas = Report(), {"32-true": list[float](), "bf16-mixed": list[float]()}
    normal, tested, anomalous = built_in("digits")
    preset = GANomaly.presets["fast"]
    for seed in setting.pick((0, 1, 2), (0,)):
        for precision, found in areas.items():
            budget = Budget(steps=setting.pick(600, 2))
            options = TrainingOptions(seed=seed, precision=precision, budget=budget, batch_size=64)
            found.append(auroc(preset.make().fit(normal, options).score(tested).image.numpy(), anomalous))
    for precision, found in areas.items():
        report.figures += [
            Figure(f"AUROC, {precision}, mean of seeds", statistics.mean(found), ""),
            Figure(f"AUROC, {precision}, standard deviation", statistics.pstdev(found), ""),
        ]
    difference = abs(statistics.mean(areas["32-true"]) - statistics.mean(areas[BF16]))
    report.figures.append(Figure("AUROC, difference of the means", difference, "", at_most=0.01))
    return report


def train_all(setting: Setting) -> Report:
    """One step of every model on 16 images of 32 pixels, against the same step in torch's default memory layout."""
    report = Report()
    shape, count = setting.pick((1, 32, 32), (1, 16, 16)), setting.pick(16, 4)
    trainables: dict[str, type[Trainable] | Any] = {"ganomaly": GANomalyTraining, **find_models()}
    for name, make in trainables.items():
        card = make().card
        batch = _batch_for(card.needs, _images(shape, count, setting))
        plain = make().prepare(shape).to(setting.device).train()
        own = _as_in_the_loop(make(), shape, setting)
        ways = {"plain": lambda plain=plain, batch=batch: plain.step(batch), "fp32": _step(own, batch, "fp32", setting)}
        seconds = in_turn(ways | ceilings_beside(("fp32",), setting), setting)
        work = operations(ways["fp32"])
        reached = share(seconds, "fp32", work, "fp32", setting)
        report.figures.append(Figure(name, ratio(seconds, "plain", "fp32"), of_ceiling=reached))
        report.seconds |= {f"{name}, {way}": timing for way, timing in seconds.items()}
        if reached < ENOUGH_OF_GANOMALY * (report.figures[0].of_ceiling or 0):
            report.profiles[f"training step, {name}"] = shares_of_time(ways["fp32"])
    return report


def _images(shape: tuple[int, ...], count: int, setting: Setting) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0)).to(setting.device) * 2 - 1


def _batch_for(needs: tuple[str, ...], images: Tensor) -> Any:
    if "labels" in needs:
        return images, torch.arange(len(images), device=images.device) % 3
    return (images, -images) if {"pairs", "two sets"} & set(needs) else images


def _as_in_the_loop(model: Trainable, shape: tuple[int, ...], setting: Setting) -> Trainable:
    model.prepare(shape).to(setting.device).train()
    lay_out(model, channels_last_in_memory=True)
    return model


def _step(model: Trainable, batch: Any, precision: str, setting: Setting) -> Run:
    def step() -> None:
        with torch.autocast(setting.device, torch.bfloat16, enabled=precision == BF16):
            model.step(batch)

    return step

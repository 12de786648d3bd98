"""Scores in fp32 and in bfloat16: how far they agree, and the plain way to them."""

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from benchmarks.speed.measuring import Figure, Report, Setting
from hizumi.data import builtin
from hizumi.detectors import Detector, GANomaly
from hizumi.training import Budget, TrainingOptions

BF16 = "bf16-mixed"
FALSE_ALARM_RATE = 0.05


def score_agreement(setting: Setting) -> Report:
    """Scores in bfloat16 against those in fp32: their order, and the decisions by a threshold of held-out images."""
    report = Report()
    for name in setting.pick(("digits", "brick", "gravel", "grass"), ("digits",)):
        normal, tested, _ = built_in(name)
        held_out = len(normal) // 5
        detector = GANomaly.presets["fast"].make()
        detector.fit(normal[held_out:], TrainingOptions(budget=Budget(steps=setting.pick(300, 2)), batch_size=64))
        precise, fast = detector.score(tested).image, detector.score(tested, precision=BF16).image
        limit = detector.score(normal[:held_out]).image.quantile(1 - FALSE_ALARM_RATE)
        flipped = ((precise > limit) != (fast > limit)).sum()
        report.figures += [
            Figure(f"{name}, rank agreement", float(spearmanr(precise, fast).statistic), "", at_least=0.999),
            Figure(f"{name}, verdicts flipped of {len(tested)}", float(flipped), "", at_most=0),
        ]
    return report


@torch.no_grad()
def eager(detector: Detector, images: Tensor) -> Tensor:
    """Scores by the networks as they were trained."""
    return detector.score_batch(images).image


def built_in(name: str) -> tuple[Tensor, Tensor, np.ndarray]:
    """Normal images of a set that comes with the package, its test images, and which of them are anomalous."""
    manifest = builtin(name)
    images = torch.from_numpy(np.asarray(manifest.arrays)).permute(0, 3, 1, 2).float() / 127.5 - 1
    tested = [record for record in manifest.records if record.split == "test"]
    normal = [record.row for record in manifest.records if record.split != "test"]
    labels = np.array([record.label for record in tested])
    return images[normal], images[[record.row for record in tested]], labels

"""Scores of images in memory, against the same networks as they were trained, in fp32 and in bfloat16."""

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from benchmarks.speed.ceilings import ceilings_beside, share
from benchmarks.speed.measuring import Figure, Report, Setting, in_turn, operations, ratio, shares_of_time
from hizumi.data import builtin
from hizumi.detectors import Detector, GANomaly
from hizumi.training import Budget, TrainingOptions

BF16 = "bf16-mixed"
FALSE_ALARM_RATE = 0.05


def score_batch(setting: Setting) -> Report:
    """A batch of 64 images by GANomaly, warm."""
    report = Report()
    for side in setting.pick((32, 64, 128), (16,)):
        shape, count = (3, side, side), setting.pick(64, 4)
        images = torch.rand(count, *shape, generator=torch.Generator().manual_seed(0)).to(setting.device) * 2 - 1
        detector = GANomaly(width=setting.pick(64, 8)).prepare(shape).to(setting.device)
        ways = {
            "eager": lambda detector=detector, images=images: eager(detector, images),
            "fp32": lambda detector=detector, images=images: detector.score(images),
            BF16: lambda detector=detector, images=images: detector.score(images, precision=BF16),
        }
        work = operations(ways["eager"])
        seconds = in_turn(ways | ceilings_beside(("fp32", "bf16"), setting), setting)
        for precision, asked in (("fp32", 1.4), (BF16, 2.7)):
            reached = share(seconds, precision, work, precision[:4], setting)
            report.figures.append(
                Figure(
                    f"{side} px, {precision}", ratio(seconds, "eager", precision), at_least=asked, of_ceiling=reached
                )
            )
            report.profiles[f"scoring, {side} px, {precision}"] = shares_of_time(ways[precision])
        report.seconds |= {f"{side} px, {way}": timing for way, timing in seconds.items()}
    return report


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

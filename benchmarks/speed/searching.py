"""AnoGAN's search, against the same search for one image after another."""

import time

import numpy as np
import torch
from torch import Tensor

from benchmarks.detectors.anogan_search import plain_search, smoothed
from benchmarks.speed.ceilings import ceilings_beside, share
from benchmarks.speed.measuring import Figure, Report, Setting, in_turn, operations, shares_of_time
from hizumi.detectors import AnoGAN
from hizumi.evaluation import auroc
from hizumi.models import DCGAN, BiGAN
from hizumi.training import Budget, TrainingOptions

BF16 = "bf16-mixed"


def anogan_step(setting: Setting) -> Report:
    """One step of the search for one image of 3x64x64, while 64 are searched for at once."""
    side, count, steps, looped = setting.pick((64, 64, 20, 1), (16, 4, 1, 1))
    detector = AnoGAN(DCGAN(width=setting.pick(64, 8)), steps=steps).prepare((3, side, side)).to(setting.device)
    images = smoothed(count, side).repeat(1, 3, 1, 1).to(setting.device)
    ways = {
        "loop": lambda: [plain_search(detector, image[None]) for image in images[:looped]],
        "fp32": lambda: detector.score(images),
        BF16: lambda: detector.score(images, precision=BF16),
    }
    seconds = in_turn(ways | ceilings_beside(("fp32", "bf16"), setting), setting)
    report = Report(seconds=seconds)
    each = seconds["loop"].cpu / looped
    for precision, asked in (("fp32", None), (BF16, 14.0)):
        reached = share(seconds, precision, operations(ways[precision]), precision[:4], setting)
        ratio = each / (seconds[precision].cpu / count)
        report.figures.append(Figure(f"an image's step, {precision}", ratio, at_least=asked, of_ceiling=reached))
        report.profiles[f"search, {precision}"] = shares_of_time(ways[precision])
    return report


def anogan_equal(setting: Setting) -> Report:
    """Time until 64 images, half with a bright square, are as well found, and told apart, as by 500 steps of the loop.

    Both search the same trained BiGAN: the loop from random codes, we from the encoder's, at a larger rate.
    """
    side, count, looped, steps = setting.pick((32, 64, 4, 500), (16, 4, 1, 3))
    fields = smoothed(count + 512, side).to(setting.device)
    anomalous = np.arange(count) % 2
    images = fields[:count].clone()
    images[1::2, :, side // 4 : side // 2, side // 4 : side // 2] = 1.0

    gan = BiGAN(latent=32, width=setting.pick(16, 4))
    began = time.process_time()
    options = TrainingOptions(budget=Budget(steps=setting.pick(300, 2)), accelerator=setting.device, batch_size=32)
    slow = AnoGAN(gan, steps=steps, start="random").fit(fields[count:], options)
    training = time.process_time() - began

    def loop(number: int) -> Tensor:
        return torch.stack([plain_search(slow, image[None]) for image in images[:number]])

    found = loop(count)
    objective, area = float(found.mean()), auroc(found.cpu().numpy(), anomalous)
    counts = setting.pick((0, 5, 10, 20, 40, 60, 80, 160), (1,))
    searches = {enough: _from_the_encoder(slow, enough) for enough in counts}
    scores = {enough: search.score(images, precision=BF16).image for enough, search in searches.items()}
    enough_for = {
        "its objective": [enough for enough, own in scores.items() if float(own.mean()) <= objective],
        "its AUROC": [enough for enough, own in scores.items() if auroc(own.cpu().numpy(), anomalous) >= area],
    }
    report = Report([Figure("AUROC of the loop", area, "")])
    for aim, all_enough in enough_for.items():
        if not all_enough:
            report.figures.append(Figure(f"{aim}, not reached in {max(searches)} steps", 0.0, at_least=100.0))
            continue
        fast = searches[all_enough[0]]
        ways = {"loop": lambda: loop(looped), BF16: lambda fast=fast: fast.score(images, precision=BF16)}
        seconds = in_turn(ways, Setting(min(setting.rounds, 3), setting.device, setting.smoke))
        each, own = seconds["loop"].cpu / looped, seconds[BF16].cpu / count
        report.figures += [
            Figure(f"to {aim}, {all_enough[0]} steps for {steps}", each / own, at_least=100.0),
            Figure(f"to {aim}, training paid back after", training / (each - own), "images"),
        ]
        report.seconds |= {f"{aim}, {way}": timing for way, timing in seconds.items()}
    return report


def _from_the_encoder(slow: AnoGAN, steps: int) -> AnoGAN:
    """The same trained GAN, searched otherwise."""
    fast = AnoGAN(slow.gan, steps=steps, start="encoder", learning_rate=0.2, patience=10)
    assert slow.shape is not None, "it is fitted"
    fast.build(slow.shape)
    fast.mark_fitted(slow.shape)
    return fast

"""AnoGAN's search, against the same search for one image after another."""

import time

import torch
from torch import Tensor

from benchmarks.detectors.anogan_search import plain_search, smoothed
from benchmarks.speed.ceilings import ceilings_beside, share
from benchmarks.speed.measuring import Figure, Report, Setting, in_turn, operations, shares_of_time
from hizumi.detectors import AnoGAN
from hizumi.models import DCGAN, BiGAN
from hizumi.training import Budget, TrainingOptions

BF16 = "bf16-mixed"


def anogan_step(setting: Setting) -> Report:
    """One step of the search for one image of 3x64x64, while 64 are searched for at once."""
    side, count, steps, looped = setting.pick((64, 64, 2, 2), (16, 4, 1, 1))
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
    """Time until 64 images are as well found as by 500 steps of the loop: from the encoder's code, at a larger rate."""
    side, count, looped, steps = setting.pick((32, 64, 4, 500), (16, 4, 1, 3))
    fields = smoothed(count + 512, side).to(setting.device)
    gan = BiGAN(latent=32, width=setting.pick(16, 4))
    began = time.process_time()
    options = TrainingOptions(budget=Budget(steps=setting.pick(300, 2)), accelerator=setting.device, batch_size=32)
    slow = AnoGAN(gan, steps=steps, start="random").fit(fields[count:], options)
    training = time.process_time() - began
    images = fields[:count]

    def loop() -> Tensor:
        return torch.cat([slow.score(image[None]).image for image in images[:looped]])

    objective = float(loop().mean())
    for enough in setting.pick((5, 10, 20, 40, 80, 160), (1,)):
        fast = AnoGAN(gan, steps=enough, start="encoder", learning_rate=0.05, patience=10)
        fast.build((1, side, side))
        fast.shape = slow.shape
        if float(fast.score(images, precision=BF16).image[:looped].mean()) <= objective:
            break
    seconds = in_turn(
        {"loop": loop, BF16: lambda: fast.score(images, precision=BF16)},
        Setting(min(setting.rounds, 1), setting.device, setting.smoke),
    )
    ratio = (seconds["loop"].cpu / looped) / (seconds[BF16].cpu / count)
    saved = seconds["loop"].cpu / looped - seconds[BF16].cpu / count
    return Report(
        [
            Figure(f"an image, {enough} steps for {steps}", ratio, at_least=100.0),
            Figure("training, paid back after", training / saved, "images"),
        ],
        seconds,
    )

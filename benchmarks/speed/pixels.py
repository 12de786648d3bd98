"""Pixel models: sampling pass by pass, kernels without their dead half, recurrent layers line by line."""

import copy

import torch

from benchmarks.speed.measuring import Figure, Report, Setting, in_turn, operations, ratio, shares_of_time
from benchmarks.speed.plain import MaskedConv2d, PlainRecurrence
from hizumi.models import DiagonalBiLSTM, PixelCNN, RowLSTM
from hizumi.models.autoregressive import Autoregressive, draw
from hizumi.networks import AutoregressiveNetwork, Recomputed
from hizumi.networks.pixel import CausalConv2d
from hizumi.networks.recurrent import Recurrence


@torch.no_grad()
def pixel_sampling(setting: Setting) -> Report:
    """Binary images from a PixelCNN: each pixel by one pass of all, or by what has changed; and their likelihoods."""
    side = setting.pick(28, 6)
    model = PixelCNN(2, setting.pick(64, 4), setting.pick(8, 1)).prepare((1, side, side)).to(setting.device).eval()
    network = model.average.network
    assert isinstance(network, AutoregressiveNetwork)
    plain = masked(network)
    report = Report()
    for count in setting.pick((16, 64), (2,)):
        # All passes of the naive way cost the same: one is timed.
        naive = Recomputed(plain, (count, 1, side, side))
        values = torch.zeros(count, 1, device=setting.device)
        ways = {
            "naive, a pixel": lambda naive=naive, values=values: naive.logits(side // 2, 0, values),
            "hizumi, all": lambda count=count: model.sample(count),
        }
        seconds = in_turn(ways, setting)
        times = seconds["naive, a pixel"].cpu * side**2 / seconds["hizumi, all"].cpu
        report.figures.append(Figure(f"{count} samples", times, at_least=350.0))
        report.seconds |= {f"{count} samples, {way}": timing for way, timing in seconds.items()}
    uniforms = torch.rand(2, 1, side, side, device=setting.device)
    ways = Recomputed(plain, tuple(uniforms.shape)), network.incremental(2, side, side)
    drawn = [draw(way, uniforms, 2, uniforms[..., :0]) for way in ways]
    report.figures.append(Figure("pixels that differ of 2 samples", float((drawn[0] != drawn[1]).sum()), "", at_most=0))

    images = drawn[0].repeat(setting.pick(32, 1), 1, 1, 1)
    ways = {"full kernels": lambda: plain(images), "cropped": lambda: network(images)}
    report.seconds |= (seconds := in_turn(ways, setting))
    difference = float((plain(images) - network(images)).abs().max())
    report.figures += [
        Figure("likelihood, kernels cropped", ratio(seconds, "full kernels", "cropped"), at_least=1.4),
        Figure("arithmetic, kernels cropped", operations(ways["full kernels"]) / operations(ways["cropped"])),
        Figure("largest difference of a logit", difference, "", at_most=0),
    ]
    report.profiles["sampling"] = shares_of_time(lambda: model.sample(setting.pick(16, 2)))
    report.profiles["likelihood, kernels cropped"] = shares_of_time(ways["cropped"])
    return report


def recurrent(setting: Setting) -> Report:
    """One step of training on 16 binary images of 28 pixels."""
    report = Report()
    shape = (1, *setting.pick((28, 28), (5, 6)))
    batch = (torch.rand(setting.pick(16, 2), *shape, device=setting.device) < 0.5) * 2.0 - 1
    for kind in (RowLSTM, DiagonalBiLSTM):
        models: list[Autoregressive] = [kind(2, setting.pick(24, 3), setting.pick(3, 1)) for _ in range(2)]
        own, plain = (model.prepare(shape).to(setting.device).train() for model in models)
        for part in plain.modules():
            if isinstance(getattr(part, "recurrence", None), Recurrence):
                part.recurrence = PlainRecurrence(part.recurrence)
        ways = {"plain": lambda plain=plain: plain.step(batch), "hizumi": lambda own=own: own.step(batch)}
        seconds = in_turn(ways, setting)
        report.figures.append(Figure(kind.__name__, ratio(seconds, "plain", "hizumi"), at_least=1.7))
        report.seconds |= {f"{kind.__name__}, {way}": timing for way, timing in seconds.items()}
        report.profiles[f"training step, {kind.__name__}"] = shares_of_time(ways["hizumi"])
    return report


def masked(network: AutoregressiveNetwork) -> AutoregressiveNetwork:
    """A copy with square kernels whose later half is multiplied by zero."""
    network = copy.deepcopy(network)
    for part in list(network.modules()):
        for name, child in part.named_children():
            if isinstance(child, CausalConv2d):
                setattr(part, name, MaskedConv2d(child))
    return network

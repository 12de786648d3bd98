"""Scoring with the batch's statistics against batch norm by its formula."""

import pytest
import torch
from torch import Tensor, nn

from hizumi.detectors import ALOCC, Detector, GANomaly, SkipGANomaly
from hizumi.detectors.batch_statistics import batch_norm
from hizumi.errors import UsageError
from hizumi.training import Budget, TrainingOptions


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_normalises_by_the_batch_and_leaves_everything_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.InstanceNorm2d(3), nn.Dropout(0.5)).eval()
    convolution, layer = network[0], network[1]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 2.0, -1.0]))
        layer.bias.copy_(torch.tensor([0.1, 0.0, -3.0]))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    maps = convolution(images(5))
    with batch_norm(network, "batch"):
        obtained = layer(maps)
        assert not network[3].training  # batch norm alone
    mean, variance = maps.mean((0, 2, 3), keepdim=True), maps.var((0, 2, 3), correction=0, keepdim=True)
    expected = (maps - mean) / (variance + layer.eps).sqrt() * layer.weight[:, None, None] + layer.bias[:, None, None]
    torch.testing.assert_close(obtained, expected)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with batch_norm(network, "eval"):  # running mean 0 and variance 1 as at the start
        torch.testing.assert_close(
            layer(maps), maps / (1 + layer.eps) ** 0.5 * layer.weight[:, None, None] + layer.bias[:, None, None]
        )
    assert not layer.training
    assert layer.track_running_stats


def test_an_error_on_the_way_changes_nothing_either() -> None:
    layer = nn.BatchNorm2d(3).eval()
    with pytest.raises(RuntimeError), batch_norm(layer, "batch"):
        raise RuntimeError
    assert not layer.training


@pytest.mark.parametrize("detector", [GANomaly, SkipGANomaly, ALOCC])
def test_other_modes_are_refused(detector: type[Detector]) -> None:
    unknown = detector()
    unknown.bn_mode = "train"
    with pytest.raises(UsageError, match="bn_mode is 'train'; it must be 'eval' or 'batch'"):
        unknown.fit(images(16))


@pytest.mark.parametrize("detector", [GANomaly, SkipGANomaly, ALOCC])
def test_scores_depend_on_the_batch_only_where_asked(detector: type[Detector]) -> None:
    fitted = detector(width=4).fit(images(16), TrainingOptions(budget=Budget(steps=2), batch_size=8))
    before = {name: value.clone() for name, value in fitted.state_dict().items()}
    one, other = torch.cat([images(4, 1), images(4, 2)]), torch.cat([images(4, 1), -images(4, 3)])
    torch.testing.assert_close(fitted.score(one).image[:4], fitted.score(other).image[:4])
    fitted.bn_mode = "batch"
    assert (fitted.score(one).image[:4] - fitted.score(other).image[:4]).abs().max() > 1e-4 * fitted.score(
        one
    ).image.abs().max()
    assert all(torch.equal(value, before[name]) for name, value in fitted.state_dict().items())

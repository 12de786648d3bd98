"""Autoregressive models: probabilities that sum to one, no look ahead, and a cache that changes nothing."""

import itertools
import math
from typing import Any

import pytest
import torch

from hizumi.errors import DataError, UsageError
from hizumi.models import DiagonalBiLSTM, GatedPixelCNN, PixelCNN
from hizumi.models.autoregressive import Autoregressive, draw, from_levels, to_levels
from hizumi.networks import AutoregressiveNetwork, Incremental, Recomputed
from hizumi.objectives import categorical_log_density
from hizumi.registry import find_models
from hizumi.training import Budget, TrainingOptions

MODELS = {name: found for name, found in find_models().items() if issubclass(found, Autoregressive)}
SMALL: dict[str, dict[str, Any]] = {
    "pixel_cnn": {"width": 12, "blocks": 2},
    "gated_pixel_cnn": {"width": 12, "layers": 2},
    "row_lstm": {"hidden": 12, "layers": 2},
    "diagonal_bilstm": {"hidden": 12, "layers": 2},
}
WINDOWS = ("pixel_cnn", "gated_pixel_cnn", "diagonal_bilstm")
"""Those that take windows of series."""
EVERY = pytest.mark.parametrize(
    "model", [pytest.param(found(**SMALL[name]), id=name) for name, found in MODELS.items()]
)

ON_WINDOWS = pytest.mark.parametrize("model", [pytest.param(MODELS[name](**SMALL[name]), id=name) for name in WINDOWS])


def prepared(model: Autoregressive, shape: tuple[int, ...], levels: int, seed: int = 0) -> Autoregressive:
    """Untrained, with random weights large enough to make every value matter."""
    model.levels = levels
    torch.manual_seed(seed)
    model.prepare(shape).eval()
    if model.value_range is not None:
        model.value_range.reach.fill_(1)  # as brightness
    for parameter in model.average.network.parameters():
        parameter.mul_(2)
    return model


def averaged(model: Autoregressive) -> AutoregressiveNetwork:
    network = model.average.network
    assert isinstance(network, AutoregressiveNetwork)
    return network


def every_image(shape: tuple[int, ...], levels: int) -> torch.Tensor:
    """All images there are, (levels^values, *shape)."""
    values = itertools.product(range(levels), repeat=math.prod(shape))
    return from_levels(torch.tensor(list(values)).view(-1, *shape), levels)


def dependence(model: Autoregressive, shape: tuple[int, ...]) -> torch.Tensor:
    """Whether value j's logits change with value i, at (i, j), both in the order in which values are drawn."""
    network = averaged(model).double()
    channels, height, width = shape
    count = math.prod(shape)
    generator = torch.Generator().manual_seed(1)
    in_order = torch.rand(height, width, channels, generator=generator, dtype=torch.float64).flatten()
    changed = torch.cat([in_order[None], in_order + torch.eye(count, dtype=torch.float64)])
    with torch.no_grad():
        logits = network(changed.view(-1, height, width, channels).permute(0, 3, 1, 2))
    in_order = logits.permute(0, 3, 4, 2, 1).reshape(count + 1, count, -1)
    return ((in_order[1:] - in_order[0]).abs() > 1e-13).any(2)


@EVERY
@pytest.mark.parametrize(("shape", "levels"), [((1, 2, 2), 2), ((1, 2, 3), 2), ((2, 2, 2), 2), ((1, 2, 2), 3)])
@torch.no_grad()
def test_probabilities_of_all_images_sum_to_one(model: Autoregressive, shape: tuple[int, ...], levels: int) -> None:
    assert_sums_to_one(model, shape, levels)


@ON_WINDOWS
@pytest.mark.parametrize(("shape", "levels"), [((1, 1, 4), 4), ((2, 1, 3), 3)])
@torch.no_grad()
def test_probabilities_of_all_windows_sum_to_one(model: Autoregressive, shape: tuple[int, ...], levels: int) -> None:
    assert_sums_to_one(model, shape, levels)


def assert_sums_to_one(model: Autoregressive, shape: tuple[int, ...], levels: int) -> None:
    likelihood = prepared(model, shape, levels).log_likelihood(every_image(shape, levels))
    assert likelihood.image.exp().sum() == pytest.approx(1, abs=1e-5)
    assert likelihood.image.std() > 0.1
    assert likelihood.pixel is not None
    torch.testing.assert_close(likelihood.pixel.sum((1, 2, 3)), likelihood.image)


@EVERY
@pytest.mark.parametrize(("shape", "levels"), [((1, 5, 6), 2), ((3, 4, 5), 2), ((3, 4, 3), 4)])
@torch.no_grad()
def test_no_logit_depends_on_its_own_or_a_later_value(
    model: Autoregressive, shape: tuple[int, ...], levels: int
) -> None:
    depends = dependence(prepared(model, shape, levels), shape)
    assert not depends.tril().any()
    within_pixel = [depends[i, i + 1] for i in range(len(depends) - 1) if (i + 1) % shape[0]]
    assert shape[0] == 1 or torch.stack(within_pixel).float().mean() > 0.8
    assert depends[:, -1][: -shape[0]].float().mean() > 0.4


@pytest.mark.parametrize(
    "model", [PixelCNN(width=48, blocks=2), GatedPixelCNN(width=16, layers=2), DiagonalBiLSTM(hidden=12, layers=2)]
)
@torch.no_grad()
def test_every_earlier_value_of_a_window_is_seen_and_no_later_one(model: Autoregressive) -> None:
    depends = dependence(prepared(model, (2, 1, 12), 3), (2, 1, 12))
    assert torch.equal(depends, torch.ones_like(depends).triu(1))


@pytest.mark.parametrize(
    ("model", "unseen"), [(GatedPixelCNN(width=16, layers=5), 0), (PixelCNN(width=32, blocks=5), 55)]
)
@torch.no_grad()
def test_blind_spot_is_in_the_plain_network_and_not_in_the_gated_one(model: Autoregressive, unseen: int) -> None:
    shape = (1, 7, 7)
    earlier = torch.ones(49, 49, dtype=torch.bool).triu(1)
    depends = dependence(prepared(model, shape, 2), shape)
    assert not (depends & ~earlier).any()
    assert int((earlier & ~depends).sum()) == unseen


@EVERY
@pytest.mark.parametrize(("shape", "levels"), [((1, 6, 7), 2), ((1, 5, 4), 7), ((3, 4, 5), 4)])
@torch.no_grad()
def test_cached_sampling_is_naive_sampling(model: Autoregressive, shape: tuple[int, ...], levels: int) -> None:
    assert_cached_is_naive(model, shape, levels)


@ON_WINDOWS
@torch.no_grad()
def test_cached_sampling_of_windows_is_naive_sampling(model: Autoregressive) -> None:
    # Beyond the 24 values that the first convolution reaches back to; slow where it is computed step by step.
    assert_cached_is_naive(model, (2, 1, 12 if isinstance(model, DiagonalBiLSTM) else 30), 5)


def assert_cached_is_naive(model: Autoregressive, shape: tuple[int, ...], levels: int) -> None:
    network = averaged(prepared(model, shape, levels))
    uniforms = torch.rand(3, *shape, generator=torch.Generator().manual_seed(2))
    nothing = uniforms[..., :0]
    cached = draw(network.incremental(3, *shape[1:]), uniforms, levels, nothing)
    assert torch.equal(cached, draw(Recomputed(network, (3, *shape)), uniforms, levels, nothing))
    assert len(cached.unique()) > levels // 2
    torch.testing.assert_close(
        one_by_one(network.incremental(3, *shape[1:]), cached), network(cached), atol=1e-4, rtol=0
    )


def one_by_one(predictions: Incremental, images: torch.Tensor) -> torch.Tensor:
    """Logits (n, k, c, h, w) of images, asked for as sampling does."""
    _, channels, height, width = images.shape
    columns = []
    for row, column in itertools.product(range(height), range(width)):
        logits = []
        for channel in range(channels):
            known = images[:, :, row, column].clone()
            known[:, channel:] = 9  # must not matter
            logits.append(predictions.logits(row, column, known)[..., channel])
        columns.append(torch.stack(logits, 2))
        predictions.set(row, column, images[:, :, row, column])
    return torch.stack(columns, 3).unflatten(3, (height, width))


@EVERY
def test_learns_a_distribution_of_known_entropy(model: Autoregressive) -> None:
    # Grey images whose pixels are all alike, bright three times in four: 0.5623 nats.
    bright = torch.tensor([1.0, 1.0, 1.0, -1.0]).repeat(16)
    images = bright[:, None, None, None].expand(-1, 1, 4, 4).contiguous()
    model.levels, model.learning_rate = 2, 1e-2
    model.fit(images, TrainingOptions(budget=Budget(steps=100), batch_size=32))
    with torch.no_grad():
        entropy = -float(model.log_likelihood(images).image.mean())
    assert 0.5623 - 1e-3 < entropy < 0.75
    samples = model.sample(200, seed=0).flatten(1)
    alike = samples.mean(1).abs() == 1
    assert alike.float().mean() > 0.9
    assert samples[alike, 0].gt(0).float().mean() == pytest.approx(0.75, abs=0.12)


@EVERY
def test_the_loss_shown_is_in_nats_of_a_whole_image(model: Autoregressive) -> None:
    model.levels = 4
    model.prepare((1, 3, 5)).train()
    for weight in model.body.parameters():
        weight.data.zero_()  # all levels are equally likely
    images = from_levels(torch.randint(4, (2, 1, 3, 5), generator=torch.Generator().manual_seed(0)), 4)
    assert float(model.step(images)["nats"]) == pytest.approx(15 * math.log(4), rel=1e-5)


@torch.no_grad()
def test_without_labels_likelihood_is_the_mean_over_classes() -> None:
    model = prepared(GatedPixelCNN(width=12, layers=2, classes=3), (1, 2, 3), 2)
    images = every_image((1, 2, 3), 2)
    each = [model.log_likelihood(images, torch.full((len(images),), label)) for label in range(3)]
    given_class = torch.stack([likelihood.image for likelihood in each])
    assert torch.allclose(given_class.exp().sum(1), torch.ones(3), atol=1e-5)
    assert (given_class[0] - given_class[1]).abs().max() > 0.1
    whole = model.log_likelihood(images)
    torch.testing.assert_close(whole.image, given_class.logsumexp(0) - math.log(3))
    # By brute force, a pixel's share is the probability of what is known with it over that of what is known without.
    probability, flat = whole.image.exp(), images.flatten(1)
    known = [(flat[:, None, :end] == flat[None, :, :end]).all(2).float() @ probability for end in range(7)]
    assert whole.pixel is not None
    by_force = torch.stack([(after / before).log() for before, after in itertools.pairwise(known)], 1)
    torch.testing.assert_close(whole.pixel.flatten(1), by_force, atol=1e-5, rtol=0)


def test_labels_say_what_is_sampled() -> None:
    labels = torch.arange(64) % 2
    images = (2.0 * labels - 1)[:, None, None, None].expand(-1, 1, 4, 5).contiguous()
    model = GatedPixelCNN(levels=2, width=8, layers=1, classes=2, learning_rate=1e-2)
    model.fit((images, labels), TrainingOptions(budget=Budget(steps=80), batch_size=32))
    asked = torch.tensor([1, 0, 0, 1, 1])
    assert torch.equal(model.sample(5, seed=3, labels=asked).mean((1, 2, 3)), 2.0 * asked - 1)
    with pytest.raises(UsageError, match="give a tuple"):
        model.fit(images)
    with pytest.raises(DataError, match="3 labels of 0 to 1"):
        model.sample(3, labels=torch.tensor([0, 1, 2]))
    with pytest.raises(UsageError, match="not made for labels"):
        PixelCNN(width=8, blocks=1).fit((images, labels))


def test_drawn_levels_are_as_frequent_as_predicted() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0])

    class Fixed:
        def logits(self, row: int, column: int, values: torch.Tensor) -> torch.Tensor:
            return logits[:, None].expand(len(values), -1, 1)

        def set(self, row: int, column: int, values: torch.Tensor) -> None: ...

    uniforms = (torch.arange(10_000) + 0.5).view(-1, 1, 1, 1) / 10_000
    counts = to_levels(draw(Fixed(), uniforms, 4, uniforms[..., :0]), 4).flatten().bincount()
    torch.testing.assert_close(counts / 10_000, logits.softmax(0), atol=2e-4, rtol=0)


@pytest.mark.parametrize("levels", [2, 7, 256])
def test_levels_round_trip(levels: int) -> None:
    indices = torch.arange(levels)
    brightness = from_levels(indices, levels)
    assert brightness.min() == -1
    assert brightness.max() == 1
    assert torch.equal(to_levels(brightness + 0.4 / levels, levels), indices)
    assert torch.equal(to_levels(torch.tensor([-3.0, 3.0]), levels), torch.tensor([0, levels - 1]))


def test_categorical_log_density_against_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 3, 4, generator=generator)
    values = torch.randint(5, (2, 3, 4), generator=generator)
    expected = torch.distributions.Categorical(logits=logits.movedim(1, -1)).log_prob(values)
    torch.testing.assert_close(categorical_log_density(values, logits), expected)


@pytest.mark.parametrize("levels", [1, 257])
def test_levels_out_of_range_are_refused(levels: int) -> None:
    with pytest.raises(UsageError, match=f"levels is {levels}; it must be a whole number from 2 to 256"):
        PixelCNN(levels=levels).fit(torch.zeros(2, 1, 4, 4))


@ON_WINDOWS
def test_levels_of_a_series_lie_in_the_range_that_was_seen(model: Autoregressive) -> None:
    scales = torch.tensor([1.0, 30.0])[:, None, None]
    windows = scales * torch.randn(64, 2, 1, 8, generator=torch.Generator().manual_seed(0)) + 5
    model.levels = 16
    model.fit(windows, TrainingOptions(budget=Budget(steps=2), batch_size=16))
    lowest, highest = windows.amin((0, 2, 3)), windows.amax((0, 2, 3))
    width = 1.2 * (highest - lowest)  # a tenth more at either end
    step = width / 15
    with torch.no_grad():
        drawn = model.sample(200, seed=1)
        given = model.log_likelihood(windows)
        # Values move to their level's centre, and no likelihood with them.
        start = (lowest - width / 12)[:, None, None]
        levels = ((windows - start) / step[:, None, None]).round()
        rounded = model.log_likelihood(start + levels * step[:, None, None])
    places = (drawn - start) / step[:, None, None]
    torch.testing.assert_close(places, places.round(), atol=1e-3, rtol=0)
    assert places.amin() >= -1e-3
    assert places.amax() <= 15 + 1e-3
    torch.testing.assert_close(given.image, rounded.image, rtol=1e-5, atol=1e-4)


@ON_WINDOWS
@torch.no_grad()
def test_a_value_beyond_the_range_costs_a_nat_for_each_level(model: Autoregressive) -> None:
    prepared(model, (1, 1, 6), 5)  # levels at -1, -0.5, 0, 0.5 and 1
    inside = torch.tensor([0.0, 0.5, -1.0, 1.0, 0.0, 0.5])[None, None, None]
    beyond = inside + torch.tensor([0.0, 0, -1.5, 10, 0, 0])  # 3 levels below, 20 above
    first, second = model.log_likelihood(inside), model.log_likelihood(beyond)
    assert float(first.terms["beyond the range"]) == 0
    assert float(second.terms["beyond the range"]) == pytest.approx(-23)
    assert float(first.image - second.image) == pytest.approx(23, rel=1e-5)
    assert first.pixel is not None
    assert second.pixel is not None
    torch.testing.assert_close((first.pixel - second.pixel).flatten(), torch.tensor([0.0, 0, 3, 20, 0, 0]))

"""The class reaches both networks, and a class that is asked for is what comes out."""

import pytest
import torch
from torch.nn.functional import one_hot

from hizumi.errors import DataError, UsageError
from hizumi.models import VAE, ConditionalGAN, CycleGAN, GatedPixelCNN, Pix2Pix
from hizumi.training import Budget, TrainingOptions


def test_the_class_is_joined_as_one_hot_numbers_or_constant_maps() -> None:
    model, labels = ConditionalGAN(classes=3), torch.tensor([2, 0])
    joined = model.with_class(torch.zeros(2, 4), labels)
    assert joined.tolist() == [[0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0, 0]]
    maps = model.with_class(torch.zeros(2, 1, 5, 6), labels)
    assert maps.mean((2, 3)).tolist() == [[0, 0, 0, 1], [0, 1, 0, 0]]
    assert maps.amax((2, 3)).tolist() == [[0, 0, 0, 1], [0, 1, 0, 0]]


@pytest.mark.parametrize("shape", [(1, 16, 20), (5,)])
def test_each_class_reaches_both_networks(shape: tuple[int, ...]) -> None:
    # Central differences in the class numbers: every one of them moves what comes out.
    torch.manual_seed(0)
    model = ConditionalGAN(classes=3, latent=4, width=4).prepare(shape).eval().double()
    codes, items = torch.randn(1, 4).double(), torch.randn(1, *shape).double()
    for network, inputs, first in ((model.generator, codes, 4), (model.discriminator, items, shape[0])):
        joined = model.with_class(inputs, torch.tensor([1]))
        for number in range(3):
            shift = torch.zeros_like(joined)
            shift[:, first + number] = 1e-4
            with torch.no_grad():
                slope = (network(joined + shift) - network(joined - shift)) / 2e-4
            assert float(slope.abs().max()) > 1e-6
            joined_again = joined.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(network(joined_again).sum(), joined_again)
            assert float(slope.sum()) == pytest.approx(float(gradient[:, first + number].sum()), rel=1e-3, abs=1e-8)


def test_discriminator_judges_fakes_under_the_classes_they_were_made_for() -> None:
    torch.manual_seed(0)
    model = ConditionalGAN(classes=3, latent=4).prepare((2,)).train()
    items, labels, shown = torch.randn(6, 2), torch.tensor([0, 1, 2, 2, 1, 0]), []
    model.discriminator.register_forward_hook(lambda network, inputs, output: shown.append(inputs[0]))
    model.generator.register_forward_hook(lambda network, inputs, output: shown.append(inputs[0]))
    model.step((items, labels))
    assert len(shown) == 4  # G once; D on real, on fake, and on fake for G
    for inputs in shown:
        assert torch.equal(inputs[:, -3:], one_hot(labels, 3).float())
    assert torch.equal(shown[1][:, :2], items)


def test_classes_in_turn_or_as_asked_for() -> None:
    torch.manual_seed(0)
    model = ConditionalGAN(classes=3, latent=4, width=4).prepare((1, 16, 16))
    in_turn = model.sample(7, seed=3)
    assert torch.equal(in_turn, model.sample(7, seed=3, labels=torch.tensor([0, 1, 2, 0, 1, 2, 0])))
    others = model.sample(7, seed=3, labels=torch.full((7,), 1))
    assert [torch.equal(one, other) for one, other in zip(in_turn, others, strict=True)] == [
        False, True, False, False, True, False, False,
    ]  # fmt: skip
    with pytest.raises(UsageError, match="7 labels of 0 to 2"):
        model.sample(7, labels=torch.full((7,), 3))
    with pytest.raises(UsageError, match="one for each item"):
        model.sample(7, labels=torch.zeros(5, dtype=torch.int64))
    with pytest.raises(DataError, match="set classes"):
        model.step((in_turn, torch.arange(7)))


def test_labels_are_checked_wherever_they_are_given() -> None:
    items, labels = torch.rand(12, 1, 8, 8) * 2 - 1, torch.arange(12) % 3
    options = TrainingOptions(budget=Budget(steps=1))
    with pytest.raises(DataError, match="a label is -1, but there are 3 classes, 0 to 2"):
        ConditionalGAN(classes=3, width=8).fit((items, labels - 1), options)
    for wrong, message in (
        (labels.double(), r"ConditionalGAN: labels are float64 of shape \(12,\); give integers"),
        (["ok"] * 12, r"labels are text of shape \(12,\); give integers"),
        (labels[:, None], r"labels are int64 of shape \(12, 1\); give integers"),
        ([[0], [1, 2]], r"labels are object of shape \(2,\); give integers"),
    ):
        with pytest.raises(UsageError, match=message):
            ConditionalGAN(classes=3, width=8).fit((items, wrong), options)
    model = ConditionalGAN(classes=3, width=8).fit((items, labels.tolist()), options)
    assert torch.equal(model.sample(2, 1, [2, 0]), model.sample(2, seed=1, labels=torch.tensor([2, 0])))
    exact = GatedPixelCNN(levels=4, width=4, layers=1, classes=3).fit((items, labels), options)
    with torch.no_grad():
        found, same = (exact.log_likelihood(items, each).image for each in (labels.tolist(), labels.numpy()))
    assert torch.equal(found, same)
    with pytest.raises(UsageError, match="sample: labels are text"):
        model.sample(2, labels="01")


def test_what_a_model_learns_from_is_items_alone_or_a_tuple() -> None:
    items = torch.rand(6, 1, 8, 8) * 2 - 1
    for model, data, message in (
        (ConditionalGAN(), items, r"ConditionalGAN does not learn from items alone; give a tuple \(items, labels\)"),
        (Pix2Pix(), items, r"give a tuple \(inputs, targets\)"),
        (CycleGAN(), items.numpy(), "does not learn from items alone"),
        (Pix2Pix(), (items, items, items), r"was given a tuple of 3; give two, \(inputs, targets\)"),
        (VAE(), (items, torch.zeros(6).long()), "VAE learns from items alone; give no tuple"),
        (Pix2Pix(width=8), (items, items.expand(-1, 3, -1, -1)), "of 1x8x8, and targets are of 3x8x8; set target_ch"),
        (Pix2Pix(width=8), (items, items[..., :4]), "and targets are of 1x8x4"),
    ):
        with pytest.raises(DataError, match=message):
            model.fit(data, TrainingOptions(budget=Budget(steps=1)))


@torch.no_grad()
def test_the_average_samples_where_there_is_one() -> None:
    for decay in (0.999, None):
        model = ConditionalGAN(classes=3, latent=4, width=4, average_decay=decay).prepare((2,))
        before = model.sample(6, seed=1)
        for weight in model.generator.parameters():
            weight.add_(1.0)
        assert torch.equal(before, model.sample(6, seed=1)) is (decay is not None)


def test_asked_for_classes_come_out() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]])
    labels = torch.arange(600) % 3
    points = centres[labels] + 0.1 * torch.randn(600, 2, generator=generator)
    model = ConditionalGAN(classes=3, latent=4, learning_rate=1e-3, average_decay=0.99)
    model.fit((points, labels), TrainingOptions(budget=Budget(steps=600), batch_size=64))
    samples = model.sample(300, labels=torch.arange(300) % 3)
    nearest = torch.cdist(samples, centres).argmin(1)
    assert float((nearest == torch.arange(300) % 3).float().mean()) > 0.95

"""CrossChannel: both directions against pix2pix on the same pairs, the score by hand, and what it is normalised by."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hizumi.data.stream import TensorSource
from hizumi.detectors import CrossChannel
from hizumi.detectors.cross_channel import CrossTranslation
from hizumi.errors import DataError, UsageError
from hizumi.models import Pix2Pix
from hizumi.training import Budget, TrainingOptions

ITEMS = torch.randn(
    12, 5, 16, 16, generator=torch.Generator().manual_seed(0)
).tanh()  # two frame channels, three of flow
FRAME, FLOW = ITEMS[:, :2], ITEMS[:, 2:]


@pytest.mark.parametrize("backwards", [False, True])
def test_each_direction_is_pix2pix_on_its_pairs(backwards: bool) -> None:
    inputs, targets = (FLOW, FRAME) if backwards else (FRAME, FLOW)
    torch.manual_seed(1)
    plain = Pix2Pix(targets.shape[1], width=4).prepare((inputs.shape[1], 16, 16)).train()
    torch.manual_seed(1)
    cross = CrossTranslation(Pix2Pix(width=4), backwards).prepare((5, 16, 16)).train()
    for step in range(3):
        plain.clock.progress = cross.clock.progress = step / 3
        torch.manual_seed(step)
        expected = plain.step((inputs, targets))
        torch.manual_seed(step)
        assert cross.step(ITEMS) == expected
    for one, other in zip(cross.translator.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
    rates = {group["lr"] for optimiser in cross.optimisers.values() for group in optimiser.param_groups}
    assert sorted(rates) == pytest.approx([2e-4 * 2 / 3])


class Patches(nn.Module):
    """Logits of 4x4 patches: the first channel's mean plus a shift."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, pairs: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(pairs[:, :1], 4) + self.shift


class Constant(nn.Module):
    """The same number everywhere, whatever comes in."""

    def __init__(self, channels: int, value: float) -> None:
        super().__init__()
        self.channels, self.value = channels, value

    def forward(self, images: Tensor) -> Tensor:
        return torch.full((len(images), self.channels, *images.shape[2:]), self.value)


def by_hand(normalisation: str, reference: Tensor, **arguments: object) -> CrossChannel:
    """With discriminators that look at frame and flow alone, and generators that always say 0.2 and -0.1."""
    detector = CrossChannel(normalisation=normalisation, smoothing=0.0, **arguments)
    detector.prepare((5, 16, 16))
    detector.to_flow.translator.discriminator, detector.to_frame.translator.discriminator = Patches(0.5), Patches(-1.0)
    detector.to_flow.translator.generator, detector.to_frame.translator.generator = Constant(3, 0.2), Constant(2, -0.1)
    with torch.no_grad():
        detector.fit_reference(TensorSource(reference))
    return detector


def enlarged(patches: np.ndarray) -> np.ndarray:
    """(n, 4, 4) to (n, 16, 16), bilinear between the centres of patches."""
    places = np.clip((np.arange(16) + 0.5) / 4 - 0.5, 0, 3)
    lower = np.minimum(places.astype(int), 2)
    share = places - lower
    rows = patches[:, lower] * (1 - share)[:, None] + patches[:, lower + 1] * share[:, None]
    return rows[:, :, lower] * (1 - share) + rows[:, :, lower + 1] * share


def raw_maps(items: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Both discriminators' logits, D1 of (F, O) and D2 of (O, F), and the errors of frame and length of flow."""
    x = items.numpy()
    first, second = (x[:, channel].reshape(-1, 4, 4, 4, 4).mean((2, 4)) for channel in (0, 2))
    errors = [np.abs(x[:, :2] + 0.1).mean(1), np.abs(x[:, 4] - 0.2)]
    return [enlarged(first + 0.5), enlarged(second - 1)], errors


def test_score_of_the_papers_by_hand() -> None:
    detector = by_hand("maximum", ITEMS[:8], moving=0.0)
    anomaly = detector.score_batch(ITEMS[8:])
    (reference, reference_errors), (logits, errors) = raw_maps(ITEMS[:8]), raw_maps(ITEMS[8:])
    largest, s = (sum(1 / (1 + np.exp(-each)) for each in both) for both in (reference, logits))
    m = 1 - s / largest.max()
    of_frame, of_flow = (each / ref.max() for each, ref in zip(errors, reference_errors, strict=True))
    generators = of_frame + 2 * of_flow
    np.testing.assert_allclose(anomaly.pixel[:, 0], m, atol=1e-5)
    np.testing.assert_allclose(anomaly.image, m.max((1, 2)), atol=1e-5)
    np.testing.assert_allclose(anomaly.terms["generators"], generators.max((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(anomaly.terms["both"], (m + generators).max((1, 2)), rtol=1e-5)
    assert torch.equal(anomaly.reconstruction[:, :2].unique(), torch.tensor([-0.1]))
    assert torch.equal(anomaly.reconstruction[:, 2:].unique(), torch.tensor([0.2]))


def test_deviations_by_hand() -> None:
    detector = by_hand("deviation", ITEMS[:8], moving=0.0, image_score="both")
    (reference, reference_errors), (logits, errors) = raw_maps(ITEMS[:8]), raw_maps(ITEMS[8:])
    found, normal = [*logits, *errors], [*reference, *reference_errors]
    weighted = zip((1, 1, 1, 2), found, normal, strict=True)
    expected = sum(weight * abs(each - ref.mean()) / ref.std() for weight, each, ref in weighted)
    np.testing.assert_allclose(detector.score_batch(ITEMS[8:]).pixel[:, 0], expected, rtol=1e-4)


def test_what_does_not_move_does_not_count() -> None:
    items = ITEMS[8:].clone()
    items[:, 2:, :, :8] = 0
    items[:, 2, :, 8:] = 0.3
    detector = by_hand("maximum", ITEMS[:8], moving=0.3)
    pixel = detector.score_batch(items).pixel
    assert not pixel[..., :8].any()
    assert pixel[..., 8:].all()


class Watched(TensorSource):
    """Notes who asks for which items: training with a generator, statistics without."""

    def __init__(self, items: Tensor) -> None:
        super().__init__(items)
        self.trained: set[int] = set()
        self.reference: set[int] = set()

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        (self.reference if generator is None else self.trained).update(indices.tolist())
        return super().batch(indices, generator)


def test_normalised_by_items_that_nothing_was_trained_on() -> None:
    source = Watched(ITEMS)
    detector = CrossChannel(Pix2Pix(width=4), reference_share=0.25)
    detector.fit(source, TrainingOptions(budget=Budget(epochs=4), batch_size=3))
    assert len(source.reference) == 3
    assert not source.reference & source.trained
    low, scale = detector.low.clone(), detector.scale.clone()
    with torch.no_grad():
        detector.fit_reference(TensorSource(ITEMS[sorted(source.reference)]))
    torch.testing.assert_close(detector.low, low)
    torch.testing.assert_close(detector.scale, scale)


def test_wrong_use_is_refused() -> None:
    with pytest.raises(DataError, match="items have 3 channels, but each must be a frame followed by the 3 channels"):
        CrossChannel().fit(torch.zeros(4, 3, 16, 16))
    for argument in ("image_score", "normalisation"):
        detector = CrossChannel(Pix2Pix(width=4))
        setattr(detector, argument, "best")
        with pytest.raises(UsageError, match=f"{argument} is 'best'; it must be"):
            detector.fit(torch.zeros(4, 4, 16, 16))

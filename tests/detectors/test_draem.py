"""DRAEM's losses, defects and map, against closed forms, loops and SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, special, stats
from torch import nn

from hizumi import objectives
from hizumi.detectors import DRAEM, DRAEMTraining
from hizumi.objectives import pasting
from hizumi.training import Budget, TrainingOptions

RANDOM = torch.Generator().manual_seed(0)


def test_focal_loss_is_its_formula_and_cross_entropy_without_focus() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=RANDOM, dtype=torch.float64)
    kinds = torch.randint(3, (2, 4, 5), generator=RANDOM)
    p = np.take_along_axis(special.softmax(logits.numpy(), 1), kinds.numpy()[:, None], 1)[:, 0]
    np.testing.assert_allclose(objectives.focal_loss(logits, kinds, 2.0), -((1 - p) ** 2) * np.log(p))
    entropy = nn.functional.cross_entropy(logits, kinds, reduction="none")
    torch.testing.assert_close(objectives.focal_loss(logits, kinds, 0.0), entropy)


def test_perlin_noise_by_a_loop() -> None:
    height, width, cells, turn = 12, 10, (4, 2), 0.7
    torch.manual_seed(3)
    found = pasting.perlin_noise(torch.tensor([cells]), torch.tensor([turn]), height, width)[0]
    torch.manual_seed(3)
    corners = math.ceil(math.sqrt(2) * pasting.MOST_CELLS) + 2
    angles = (2 * math.pi * torch.rand(1, corners**2)).reshape(corners, corners).numpy()

    def fade(t: float) -> float:
        return 6 * t**5 - 15 * t**4 + 10 * t**3

    for row in range(height):
        for column in range(width):
            y, x = (row + 0.5) / height - 0.5, (column + 0.5) / width - 0.5
            v = (math.cos(turn) * y - math.sin(turn) * x + math.sqrt(0.5)) * cells[0]
            u = (math.sin(turn) * y + math.cos(turn) * x + math.sqrt(0.5)) * cells[1]
            top, left = math.floor(v), math.floor(u)
            value = 0.0
            for i in (0, 1):
                for j in (0, 1):
                    down, right = v - top - i, u - left - j
                    angle = angles[top + i, left + j]
                    weight = (fade(v - top) if i else 1 - fade(v - top)) * (fade(u - left) if j else 1 - fade(u - left))
                    value += weight * (down * math.sin(angle) + right * math.cos(angle))
            assert float(found[row, column]) == pytest.approx(math.sqrt(2) * value, abs=1e-5)


def test_defects_are_where_their_mask_is_and_show_a_fifth_of_the_texture_or_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pasting, "textures", torch.ones_like)
    torch.manual_seed(0)
    damaged, mask = objectives.with_defects(torch.zeros(400, 1, 32, 48))
    assert torch.equal(damaged > 0, mask)
    opacity = damaged.amax((1, 2, 3))[mask.any(3).any(2)[:, 0]]
    assert float(opacity.min()) >= 0.2
    assert stats.kstest(opacity.numpy(), "uniform", (0.2, 0.8)).pvalue > 0.001
    share = len(opacity) / 400  # about half, less those whose noise stays below the threshold
    assert 0.3 < share < 0.5


def test_textures_are_other_images_changed() -> None:
    images = torch.rand(64, 3, 24, 32, generator=RANDOM)
    torch.manual_seed(0)
    found = pasting.textures(images)
    assert found.shape == images.shape
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    nearest = (found[:, None] - images).abs().flatten(2).mean(2).amin(1)
    assert float(nearest.min()) > 0.05


def test_networks_have_as_many_weights_as_the_published_ones() -> None:
    model = DRAEMTraining()
    with torch.device("meta"):
        model.prepare((3, 256, 256))
    counts = [sum(each.numel() for each in part.parameters()) for part in (model.restoring, model.marking)]
    assert [round(count / 1e6, 1) for count in counts] == [69.0, 28.4]  # in all 97.4 million


def test_the_marking_network_sees_the_restored_image_first_in_training_and_scoring() -> None:
    images = torch.rand(4, 1, 16, 16, generator=RANDOM) * 2 - 1
    model = DRAEMTraining(width=4, marking_width=4, halvings=1).prepare((1, 16, 16))
    pairs = list[tuple[torch.Tensor, torch.Tensor]]()
    restored = list[torch.Tensor]()
    model.restoring.register_forward_hook(lambda _network, _given, made: restored.append(made))
    model.marking.register_forward_pre_hook(lambda _network, given: pairs.append(given[0].split(1, 1)))
    model.step(images)
    model.marks(images)
    assert len(pairs) == 2
    for (first, _), made in zip(pairs, restored, strict=True):
        assert torch.equal(first, made)
    assert torch.equal(pairs[1][1], (images + 1) / 2)


def test_the_map_is_an_average_of_chances_and_the_score_its_largest_value() -> None:
    images = torch.rand(8, 1, 24, 32, generator=RANDOM) * 2 - 1
    detector = DRAEM(DRAEMTraining(width=4, marking_width=4), averaged=5)
    detector.fit(images, TrainingOptions(budget=Budget(steps=2), batch_size=4))
    anomaly = detector.score(images)
    unit = (images + 1) / 2
    with torch.no_grad():
        restored = detector.model.restoring(unit)
        chance = detector.model.marking(torch.cat([restored, unit], 1)).softmax(1)[:, 1].numpy()
    expected = ndimage.uniform_filter(chance, (0, 5, 5))[:, 2:-2, 2:-2]
    np.testing.assert_allclose(anomaly.pixel[:, 0, 2:-2, 2:-2], expected, atol=1e-5)
    torch.testing.assert_close(anomaly.image, anomaly.pixel.amax((1, 2, 3)))

"""AnoGAN's search and score against torch's own Adam, closed forms and hand-computed cases on tiny linear networks."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hizumi.detectors import AnoGAN
from hizumi.detectors.anogan import mapping_input
from hizumi.detectors.latent_search import search_codes
from hizumi.errors import UsageError
from hizumi.inspection import Inspector
from hizumi.models import DCGAN, GAN, WGANGP, AdaGAN, Autoencoder, BiGAN, ProgressiveGAN
from hizumi.training import Budget, TrainingOptions

MATRIX = torch.tensor([[1.0, 0.5, -1.0, 0.2], [0.3, -1.0, 0.4, 1.0], [-0.6, 0.2, 0.8, 1.0]])


class LinearGenerator(nn.Module):
    """z A: three numbers to four, one to one."""

    def forward(self, codes: Tensor) -> Tensor:
        return codes @ MATRIX


class LinearCritic(nn.Module):
    """Features 2 x, logit their sum."""

    def features(self, items: Tensor) -> Tensor:
        return 2 * items

    def judge(self, features: Tensor) -> Tensor:
        return features.sum(1)

    def forward(self, items: Tensor) -> Tensor:
        return self.judge(self.features(items))


def linear(**arguments: object) -> AnoGAN:
    """A detector of vectors (4,) whose generator and discriminator are linear."""
    gan = GAN(latent=3, hidden=(4,), average_decay=None)
    detector = AnoGAN(gan, **arguments)
    detector.prepare((4,))
    gan.generator, gan.discriminator = LinearGenerator(), LinearCritic()
    return detector


@pytest.fixture(scope="module")
def convolutional() -> DCGAN:
    """A DCGAN whose images vary: 16 pixels, a hundred steps on blobs."""
    torch.manual_seed(0)
    rows = torch.arange(16.0)
    centres = 4 + 8 * torch.rand(2, 64, 1)
    across, down = (torch.exp(-((rows - centre) ** 2) / 8) for centre in centres)
    blobs = 2 * (across[:, :, None] * down[:, None])[:, None] - 1
    gan = DCGAN(width=8, latent=4, learning_rate=2e-3, average_decay=0.9)
    return gan.fit(blobs, TrainingOptions(budget=Budget(steps=100), batch_size=16))


def searching(gan: DCGAN, **arguments: object) -> AnoGAN:
    """A detector over a GAN that is fitted, as a bundle is loaded."""
    weights = deepcopy(gan.state_dict())
    detector = AnoGAN(gan, **arguments).prepare((1, 16, 16))
    gan.load_state_dict(weights)
    return detector


def test_each_row_goes_as_torchs_adam_takes_it_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    centres, scales = torch.randn(5, 3, generator=generator), torch.rand(5, 3, generator=generator) + 0.1
    starts = torch.randn(5, 3, generator=generator)

    def losses_of(codes: Tensor, rows: Tensor) -> Tensor:
        return (scales[rows] * (codes - centres[rows]).abs() ** 1.5).sum(1)

    best, lowest = search_codes(losses_of, starts, 40, lambda step: 0.2 if step < 20 else 0.05)
    for row in range(5):
        code = starts[row].clone().requires_grad_()
        optimiser = torch.optim.Adam([code], lr=0.2)
        seen = []
        for step in range(41):
            loss = (scales[row] * (code - centres[row]).abs() ** 1.5).sum()
            seen.append((float(loss.detach()), code.detach().clone()))
            optimiser.param_groups[0]["lr"] = 0.2 if step < 20 else 0.05
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        loss_alone, code_alone = min(seen, key=lambda pair: pair[0])
        torch.testing.assert_close(lowest[row], torch.tensor(loss_alone))
        torch.testing.assert_close(best[row], code_alone, atol=1e-5, rtol=1e-5)


def test_rows_that_no_longer_improve_leave_and_lose_nothing() -> None:
    searched: list[list[int]] = []

    def losses_of(codes: Tensor, rows: Tensor) -> Tensor:
        searched.append(rows.tolist())
        return 1 + (codes - torch.tensor([[0.0], [3.0]])[rows]).square().sum(1)

    starts = torch.tensor([[0.0], [0.0]])
    _, patient = search_codes(losses_of, starts, 300, lambda step: 0.05)
    assert len(searched) == 301
    searched.clear()
    _, hasty = search_codes(losses_of, starts, 300, lambda step: 0.05, patience=10)
    assert searched[9] == [0, 1]
    assert searched[11] == [1]  # the first started at its best
    assert len(searched) < 200
    torch.testing.assert_close(hasty, patient, atol=1e-3, rtol=0)


def test_search_finds_the_codes_of_the_generators_own_items() -> None:
    codes = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    anomaly = linear(steps=400, learning_rate=0.05).score(codes @ MATRIX)
    assert float(anomaly.image.max()) < 0.05
    found = torch.linalg.lstsq(MATRIX.T, anomaly.reconstruction.T).solution.T
    torch.testing.assert_close(found, codes, atol=0.02, rtol=0)


def test_search_comes_near_a_convolutional_generators_own_images(convolutional: DCGAN) -> None:
    own = convolutional.sample(6, seed=5)
    start = searching(convolutional, steps=0).score(own).terms["residual"]
    found = searching(convolutional, steps=200, learning_rate=0.05, starts=2).score(own).terms["residual"]
    assert float(found.sum()) < 0.1 * float(start.sum())


def test_score_by_hand() -> None:
    items = torch.tensor([[1.0, 2.0, 0.0, -1.0], [0.0, 0.5, 1.0, 3.0]])
    for discrimination in ("features", "sigmoid"):
        detector = linear(discrimination=discrimination, steps=20, discrimination_weight=0.25)
        anomaly = detector.score(items)
        made = anomaly.reconstruction
        assert made is not None
        residual = (items - made).abs().sum(1)
        logit = 2 * made.sum(1)
        expected = 2 * residual if discrimination == "features" else (1 + (-logit).exp()).log()
        torch.testing.assert_close(anomaly.terms["residual"], residual)
        torch.testing.assert_close(anomaly.terms["discrimination"], expected)
        torch.testing.assert_close(anomaly.image, 0.75 * residual + 0.25 * expected)


def test_a_heavy_prior_keeps_codes_near_zero() -> None:
    items = 5 * torch.ones(1, 4)
    free, held = (linear(steps=300, learning_rate=0.05, prior_weight=weight).score(items) for weight in (0.0, 1e3))
    assert free.reconstruction is not None
    assert held.reconstruction is not None
    assert float(held.reconstruction.abs().max()) < 0.1 < float(free.reconstruction.abs().max())
    assert float(held.image) == pytest.approx(0.9 * 20 + 0.1 * 40, rel=0.02)  # the prior is no part of the score


def test_batch_equals_one_at_a_time_and_nothing_in_the_gan_moves(convolutional: DCGAN) -> None:
    images = torch.rand(7, 1, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    before = {name: value.clone() for name, value in convolutional.state_dict().items()}
    detector = searching(convolutional, steps=60, learning_rate=0.05, starts=2, patience=8)
    together = detector.score(images)
    alone = torch.cat([detector.score(image[None]).image for image in images])
    torch.testing.assert_close(together.image, alone, rtol=1e-4, atol=0)
    assert all(torch.equal(value, before[name]) for name, value in convolutional.state_dict().items())
    assert not any(weight.requires_grad for weight in convolutional.parameters())


def test_the_best_of_several_starts_counts() -> None:
    items = torch.tensor([[1.0, 2.0, 0.0, -1.0], [0.0, 0.5, 1.0, 3.0], [2.0, 2.0, 2.0, 2.0]])
    detector = linear(steps=5, learning_rate=0.1, starts=3)
    firsts = detector._first_points(detector._query(items)).view(3, 3, 3)
    assert torch.equal(firsts[0], firsts[2])  # the same for every item
    by_start = []
    for start in range(3):
        query = detector._query(items)
        _, losses = search_codes(
            lambda codes, rows, query=query: detector._objective(codes, query.rows(rows)),
            firsts[:, start],
            5,
            lambda step: 0.1 if step < 3 else 0.03,
        )
        by_start.append(losses)
    torch.testing.assert_close(detector.score(items).image, torch.stack(by_start).amin(0))


def test_mapping_layer_is_the_same_search_at_a_higher_rate_and_starts_anew_for_each_query() -> None:
    items = torch.tensor([[1.0, 2.0, 0.0, -1.0], [0.0, 0.5, 1.0, 3.0]])
    rate = 0.01
    mapped = linear(latent_search="mapping_layer", steps=50, learning_rate=rate)
    plain = linear(steps=50, learning_rate=rate * (1 + float(mapping_input().sum())))
    first = mapped.score(items)
    torch.testing.assert_close(first.image, plain.score(items).image, rtol=1e-4, atol=1e-5)
    mapped.score(3 * items)
    assert torch.equal(mapped.score(items).image, first.image)


def test_an_encoder_that_inverts_the_generator_leaves_nothing_to_search() -> None:
    gan = BiGAN(latent=3, width=4, average_decay=None)
    detector = AnoGAN(gan, steps=0)
    detector.prepare((4,))
    inverse = nn.Linear(4, 3, bias=False)
    inverse.weight.data = torch.linalg.pinv(MATRIX).T
    gan.generator, gan.inverse = LinearGenerator(), inverse
    own = torch.randn(5, 3) @ MATRIX
    assert float(detector.score(own).image.max()) < 1e-4
    detector.start = "random"
    assert float(detector.score(own).image.min()) > 1e-2


def test_gans_that_do_not_suit_are_refused_before_anything_is_trained() -> None:
    images = torch.zeros(8, 1, 16, 16)
    for unsuited in (Autoencoder(), AdaGAN(), ProgressiveGAN()):
        detector = AnoGAN()
        detector.gan = unsuited  # the type checker of these tests refuses it as an argument
        with pytest.raises(UsageError, match=f"gan is {type(unsuited).__name__}; it must be a GAN with one discrim"):
            detector.fit(images)
    with pytest.raises(UsageError, match="WGANGP has no encoder to start from"):
        AnoGAN(WGANGP(), start="encoder").fit(images)
    with pytest.raises(UsageError, match="BiGAN judges pairs"):
        AnoGAN(BiGAN(), discrimination="sigmoid").fit(images)


def test_large_images_are_learned_from_crops_and_searched_through_overlapping_windows() -> None:
    rows = np.arange(40)[:, None]
    phases = np.arange(12)[:, None, None]
    stripes = np.clip(128 + 60 * np.sin(rows / 2 + phases) + 0 * np.arange(48), 0, 255).astype(np.uint8)[..., None]
    detector = AnoGAN(DCGAN(width=8, latent=4, learning_rate=2e-3), steps=40, learning_rate=0.1)
    training = TrainingOptions(budget=Budget(steps=300), batch_size=8)
    inspector = Inspector(detector, image_size=16, sizing="tile", false_alarm_rate=0.5, training=training)
    inspector.fit(stripes)
    marked = stripes[:1].copy()
    marked[0, 25:31, 35:41] = 255
    (verdict,) = inspector.inspect(marked)
    assert verdict.map.shape == (40, 48)
    row, column = np.unravel_index(verdict.map.argmax(), verdict.map.shape)
    assert 24 <= row <= 31
    assert 34 <= column <= 41

"""Autoencoders, deep belief networks and reused encoders."""

import itertools

import pytest
import torch
from torch.nn.functional import mse_loss

from hizumi.errors import DataError, UsageError
from hizumi.models import DCGAN, VAE, Autoencoder, DeepAutoencoder, DeepBeliefNetwork, EncoderClassifier
from hizumi.training import Budget, TrainingOptions
from hizumi.training.checkpoint import load_fitted


def options(steps: int, batch_size: int = 32) -> TrainingOptions:
    return TrainingOptions(budget=Budget(steps=steps), batch_size=batch_size)


def bars(count: int = 256, size: int = 4) -> torch.Tensor:
    """Every column of an image on or off, or every row: binary images (n, 1, size, size) in {-1, 1}."""
    lines = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=size)))
    columns = lines[:, None, None].expand(-1, 1, size, -1)
    both = torch.cat([columns, columns.transpose(2, 3)])
    return both[torch.arange(count) % len(both)].clone()


class TestAutoencoder:
    def test_noise_comes_on_the_input_alone(self) -> None:
        torch.manual_seed(0)
        batch = torch.randn(16, 6)
        model = Autoencoder(code=3, noise=0.5).prepare((6,))
        torch.manual_seed(1)
        noisy = batch + 0.5 * torch.randn_like(batch)
        expected = mse_loss(model.reconstruct(noisy), batch).detach()
        torch.manual_seed(1)
        torch.testing.assert_close(model.step(batch)["reconstruction"], expected)

    def test_denoising_comes_near_to_the_best_filter(self) -> None:
        torch.manual_seed(0)
        deviation = torch.tensor([2.0, 1.0, 0.3, 0.3, 0.3, 0.3])
        items = torch.randn(2000, 6) * deviation
        noisy = items + 0.5 * torch.randn_like(items)
        wiener = float((1 / (deviation**-2 + 0.5**-2)).mean())  # the least error that any filter leaves
        errors = {}
        for noise in (0.0, 0.5):
            model = Autoencoder(code=6, noise=noise).fit(items, options(400, 64))  # a code wide enough to copy
            with torch.no_grad():
                errors[noise] = float(mse_loss(model.reconstruct(noisy), items))
        assert errors[0.5] < 1.2 * wiener
        assert errors[0.0] > 1.5 * wiener

    def test_sparsity_shrinks_the_code(self) -> None:
        torch.manual_seed(0)
        items = torch.randn(256, 6)
        sizes = {}
        for sparsity in (0.0, 0.3):
            model = Autoencoder(code=6, sparsity=sparsity).fit(items, options(300))
            sizes[sparsity] = model.encode(items).abs().mean().item()
            assert ("code" in model.step(items)) == (sparsity > 0)
        assert sizes[0.3] < 0.3 * sizes[0.0]


class TestDeepAutoencoder:
    def test_machines_train_from_the_bottom_up_and_are_then_unrolled(self) -> None:
        model = DeepAutoencoder((8,), 3, pretraining=0.6, learning_rate=0.0).prepare((1, 4, 4))
        batch, history = bars(32), []
        for step in range(10):
            model.clock.progress = step / 10
            model.step(batch)
            history.append([model.stack[layer].weight.detach().clone() for layer in range(2)])
        moved = [[not torch.equal(a, b) for a, b in zip(*pair, strict=True)] for pair in itertools.pairwise(history)]
        assert moved == 2 * [[True, False]] + 3 * [[False, True]] + 4 * [[False, False]]
        for network, expected in zip((model.encoder, model.decoder), model.stack.unrolled(), strict=True):
            for got, trained in zip(network.parameters(), expected.parameters(), strict=True):
                assert torch.equal(got, trained)  # the fine-tuning's rate is 0

    def test_vectors_and_images_have_their_losses(self) -> None:
        torch.manual_seed(0)
        model = DeepAutoencoder((8,), 3).prepare((1, 4, 4))
        chances, values = (model.reconstruct(bars(8)) + 1) / 2, (bars(8) + 1) / 2
        entropy = torch.distributions.Bernoulli(chances).log_prob(values).flatten(1).sum(1)
        torch.testing.assert_close(model.validation_loss(bars(8)), -entropy.mean())
        model, vectors = DeepAutoencoder((8,), 3).prepare((5,)), torch.randn(8, 5)
        torch.testing.assert_close(model.validation_loss(vectors), mse_loss(model.reconstruct(vectors), vectors))

    def test_pretraining_is_what_makes_it_start(self) -> None:
        # 2006's observation: from small random weights, deep logistic layers stay near the mean of the data (errors of
        # 0.84 to 1 over ten seeds), as they also would if the machines did not learn or were not unrolled; from trained
        # machines they leave 0.001 to 0.06.
        errors = {}
        for pretraining in (0.0, 0.5):
            model = DeepAutoencoder((48, 32, 24), 8, pretraining, machine_learning_rate=1.0, learning_rate=0.02)
            model.fit(bars(), options(500))
            errors[pretraining] = mse_loss(model.reconstruct(bars()), bars()).item()
        assert errors[0.5] < 0.2 < 0.7 < errors[0.0]


class TestDeepBeliefNetwork:
    @pytest.mark.slow
    def test_samples_are_like_the_data(self) -> None:
        # 30 of 65,536 images are bars: of samples by chance, one in 2,000. Over seven seeds, 56 to 71 % are, and 19 to
        # 30 of them different; at the default rate the chains cannot follow so few units.
        model = DeepBeliefNetwork((48, 32), gibbs_steps=100, learning_rate=0.05).fit(bars(), options(2000))
        drawn = model.sample(400, seed=0).sign()
        known = (drawn[:, None] == bars(32)[None]).flatten(2).all(2).any(1)
        assert float(known.float().mean()) > 0.4
        assert len({tuple(image.flatten().tolist()) for image in drawn[known]}) > 12

    def test_codes_are_those_of_the_stack(self) -> None:
        torch.manual_seed(0)
        model = DeepBeliefNetwork((12, 7)).prepare((2, 4, 4))
        images = torch.rand(3, 2, 4, 4) * 2 - 1
        units = (images.flatten(1) + 1) / 2
        expected = model.stack[1].hidden_mean(model.stack[0].hidden_mean(units))
        torch.testing.assert_close(model.encode(images), expected)
        torch.testing.assert_close(model.items_of(model.units_of(images)), images)


def two_kinds(count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Waves along the rows or along the columns, and which."""
    generator = torch.Generator().manual_seed(0)
    phase = 6 * torch.rand(count, 1, 1, 1, generator=generator)
    wave = torch.sin(torch.arange(16) / 2 + phase).expand(-1, 1, 16, -1)
    labels = torch.arange(count) % 2
    return torch.where(labels[:, None, None, None] == 0, wave, wave.transpose(2, 3)), labels


class TestEncoderClassifier:
    def test_head_first_then_everything_and_the_given_encoder_never(self) -> None:
        images, labels = two_kinds()
        given = VAE(latent=4, width=8).fit(images, options(5))
        state = {name: value.clone() for name, value in given.state_dict().items()}
        model = EncoderClassifier(classes=2, encoder=given, frozen=0.5).prepare((1, 16, 16)).train()
        for step in range(4):
            before = {name: value.clone() for name, value in model.state_dict().items()}
            model.clock.progress = step / 4
            model.step((images, labels))
            moved = {name.split(".")[0] for name, value in model.state_dict().items() if not value.equal(before[name])}
            assert moved == ({"head"} if step < 2 else {"head", "body"})
        assert all(torch.equal(value, state[name]) for name, value in given.state_dict().items())

    @pytest.mark.parametrize("encoder", [None, Autoencoder(width=8)])
    def test_tells_two_kinds_apart_from_scratch(self, encoder: Autoencoder | None) -> None:
        images, labels = two_kinds()
        model = EncoderClassifier(classes=2, encoder=encoder, width=8).fit((images, labels), options(60))
        assert float((model.classify(images).argmax(1) == labels).float().mean()) > 0.95

    def test_fine_tuning_is_slow_and_slows_down(self) -> None:
        images, labels = two_kinds()
        given = Autoencoder(width=8).fit(images, options(5))
        model = EncoderClassifier(classes=2, encoder=given, learning_rate=0.01).fit((images, labels), options(8))
        assert model.optimisers["head"].param_groups[0]["lr"] == pytest.approx(0.01)
        assert model.optimisers["classifier"].param_groups[0]["lr"] == pytest.approx(0.001 * 0.25)

    def test_comes_back_from_its_weights_alone(self) -> None:
        from hizumi.registry import construct, specify

        images, labels = two_kinds()
        given = Autoencoder(width=8).fit(images, options(5))
        model = EncoderClassifier(classes=2, encoder=given).fit((images, labels), options(5))
        again = construct(specify(model)).prepare((1, 16, 16))
        load_fitted(again, model.state_dict())
        assert torch.equal(again.eval().classify(images), model.classify(images))
        again.fit((images, labels), options(5))  # the encoder given is in there too
        assert torch.equal(again.classify(images), model.classify(images))

    def test_what_cannot_work_is_refused(self) -> None:
        images, labels = two_kinds()
        wrong = EncoderClassifier(2)
        wrong.encoder = DCGAN(4, 8)  # the type checker of these tests refuses it as an argument
        with pytest.raises(UsageError, match="encoder is DCGAN; it must be a model that encodes, such as"):
            wrong.fit((images, labels), options(1))
        with pytest.raises(UsageError, match="hidden is empty"):
            DeepBeliefNetwork(hidden=()).fit(images, options(1))
        given = Autoencoder(width=8).fit(images, options(1))
        with pytest.raises(DataError, match=r"fitted on items of shape \(1, 16, 16\), not \(1, 8, 8\)"):
            EncoderClassifier(2, given).fit((images[:, :, :8, :8], labels), options(1))
        with pytest.raises(DataError, match="a label is 1, but there are 1 classes"):
            EncoderClassifier(1, width=8).fit((images, labels), options(1))

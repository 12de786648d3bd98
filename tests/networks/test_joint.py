import pytest
import torch

from hizumi import networks
from hizumi.objectives import discriminator_loss


@pytest.mark.parametrize("shape", [(3,), (2, 9, 8)])
def test_tells_pairs_that_belong_together_from_pairs_that_do_not(shape: tuple[int, ...]) -> None:
    # Items and codes look the same in both kinds of pairs: neither an item nor a code alone gives anything away.
    torch.manual_seed(0)
    critic = networks.JointCritic(shape, latent=4, width=4, hidden=(32, 32))
    adam = torch.optim.Adam(critic.parameters(), 5e-3)

    def pairs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        codes = torch.randn(count, 4)
        return codes[:, :1].sign().view(-1, *(1 for _ in shape)) + 0.3 * torch.randn(count, *shape), codes

    for _ in range(120):
        items, codes = pairs(64)
        loss = discriminator_loss(critic(items=items, codes=codes), critic(items=items, codes=-codes))
        adam.zero_grad()
        loss.backward()
        adam.step()
    items, codes = pairs(500)
    critic.eval()
    with torch.no_grad():
        right = (critic(items, codes) > critic(items, -codes)).float().mean()
        whole, one = critic(items, codes), critic(items[7:8], codes[7:8])
        torch.testing.assert_close(whole, critic.judge(critic.features(items, codes)))
    assert float(right) > 0.95
    torch.testing.assert_close(whole[7:8], one, rtol=1e-4, atol=1e-5)


def test_images_and_codes_meet_with_equal_weight() -> None:
    critic = networks.JointCritic((3, 64, 64), latent=100, width=64)
    layers = [m for m in critic.modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == [(100, 512), (1024, 1024), (1024, 1)]


def test_vectors_and_codes_meet_after_a_layer_of_their_own_each_with_dropout() -> None:
    critic = networks.JointCritic((121,), latent=32, hidden=(128,), apart=128, dropout=0.2)
    layers = [m for m in critic.modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == [(121, 128), (32, 128), (256, 128), (128, 1)]
    assert [m.p for m in critic.modules() if isinstance(m, torch.nn.Dropout)] == [0.2, 0.2, 0.2]
    items, codes = torch.randn(200, 121), torch.randn(200, 32)
    with torch.no_grad():
        dropped = (critic.train().features(items, codes) == 0).float().mean()
        assert float(dropped) == pytest.approx(0.2, abs=0.02)
        assert not (critic.eval().features(items, codes) == 0).any()


@pytest.mark.parametrize("shape", [(3,), (2, 9, 6)])
def test_tells_an_item_twice_from_two_that_differ(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    critic = networks.PairCritic(shape, width=4, hidden=(32,))
    adam = torch.optim.Adam(critic.parameters(), 1e-2)

    def pairs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        items = torch.randn(count, *(1 for _ in shape)).expand(count, *shape)
        return items, items.sign() * 0.5 - items

    for _ in range(150):
        items, others = pairs(64)
        loss = discriminator_loss(critic(items, items), critic(items, others))
        adam.zero_grad()
        loss.backward()
        adam.step()
    items, others = pairs(500)
    with torch.no_grad():
        right = (critic(items, items) > critic(items, others)).float().mean()
        torch.testing.assert_close(critic(items, others), critic.judge(critic.features(items, others)))
    assert float(right) > 0.95


def test_without_hidden_layers_the_features_are_the_pair() -> None:
    critic, first, second = networks.PairCritic((3,), hidden=()), torch.randn(5, 3), torch.randn(5, 3)
    assert torch.equal(critic.features(first, second), torch.cat([first, second], 1))
    assert critic(first, second).shape == (5,)
    joint, codes = networks.JointCritic((3,), 2, hidden=()), torch.randn(5, 2)
    assert torch.equal(joint.features(first, codes), torch.cat([first, codes], 1))
    assert joint(first, codes).shape == (5,)

"""Deep belief network: restricted Boltzmann machines, trained greedily, one on top of another."""

import torch
from torch import Tensor

from hizumi.arguments import NonNegativeInt, PositiveFloat, PositiveInt
from hizumi.errors import UsageError
from hizumi.models.abilities import Autoencodes, CanSample
from hizumi.models.layer_by_layer import LayerByLayer
from hizumi.training import Budget, Card, Preset, TrainingOptions, constant, linear_to_zero
from hizumi.training.randomness import own_random_numbers


class DeepBeliefNetwork(LayerByLayer, CanSample, Autoencodes):
    """Binary layers: the top two are one undirected machine, from which the others generate downwards.

    The greedy training only; the paper's fine-tuning by wake and sleep and its label units are left out. The top
    machine learns from Markov chains that go on from step to step (Tieleman 2008) instead of starting at the data: what
    they come through is what is sampled afterwards.

    Args:
        hidden: Sizes of the hidden layers from the bottom up; each has an equal share of the budget.
        chains: Persistent Markov chains of the top machine, saved with the weights. With 0 it learns by CD-1 from the
            data, as the others do; codes are then more informative, and samples worse.
        gibbs_steps: Gibbs steps of a chain before a sample is taken.
        learning_rate: Of stochastic gradient descent with momentum 0.5, then 0.9; a hundredth of it for the first
            layer above vectors, whose units are Gaussian. It falls in a line to 0 while the top machine learns
            from chains.
    """

    card = Card(
        family="explicit, approximate",
        idea="layers of binary features, each learned from the one below; samples by Gibbs steps at the top",
        paper="Hinton, Osindero & Teh, A fast learning algorithm for deep belief nets, Neural Computation 2006",
    )
    default_budget = Budget(epochs=30)
    default_batch_size = 100
    presets = {
        "fast": Preset(
            lambda: DeepBeliefNetwork(hidden=(256, 512)), TrainingOptions(budget=Budget(steps=6000), batch_size=50)
        ),
        "small": Preset(lambda: DeepBeliefNetwork(hidden=(24, 12), gibbs_steps=5)),
    }
    states: Tensor

    def __init__(
        self,
        hidden: tuple[PositiveInt, ...] = (500, 500, 2000),
        chains: NonNegativeInt = 100,
        gibbs_steps: NonNegativeInt = 200,
        learning_rate: PositiveFloat = 0.1,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.chains = chains
        self.gibbs_steps = gibbs_steps
        self.learning_rate = learning_rate

    def check(self) -> None:
        if not self.hidden:
            raise UsageError("DeepBeliefNetwork: hidden is empty; give the size of one layer or more")

    def build(self, shape: tuple[int, ...]) -> None:
        # The chains follow the machine only where it moves slowly in the end.
        schedule = linear_to_zero(1 - 1 / len(self.hidden)) if self.chains else constant
        self.stack_machines(shape, self.hidden, self.learning_rate, schedule=schedule)
        self.register_buffer("states", torch.rand(max(1, self.chains), self.stack[-1].weight.shape[0]).round())

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """One step of contrastive divergence in the layer whose turn it is; the loss is its rebuilding error."""
        return self.train_machine(batch, self.progress, self.states if self.chains else None)

    def sample(self, count: int, seed: int = 0) -> Tensor:
        """Items generated downwards from where the top machine's Markov chains arrive."""
        self.require_built()
        top = self.stack[-1]
        with torch.no_grad(), own_random_numbers():
            torch.manual_seed(seed)
            units = self.states[torch.randint(len(self.states), (count,))]
            for _ in range(self.gibbs_steps):
                units = top.draw_visible(top.draw_hidden(units))
            for layer in reversed(range(1, len(self.stack) - 1)):
                units = self.stack[layer].draw_visible(units)
            return self.items_of(self.stack[0].visible_mean(units) if len(self.stack) > 1 else units)

    def encode(self, images: Tensor) -> Tensor:
        """Mean activations of the top layer, (n, hidden[-1]) in [0, 1]."""
        return self.stack.up(self.units_of(images))

    def decode(self, codes: Tensor) -> Tensor:
        """Items from mean activations down from the top."""
        return self.items_of(self.stack.down(codes))

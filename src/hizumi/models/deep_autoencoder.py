"""Deep autoencoder: a stack of machines pre-trained layer by layer, unrolled, fine-tuned as one network."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from hizumi.arguments import PositiveFloat, PositiveInt, ShareBelowOne
from hizumi.models.abilities import Autoencodes
from hizumi.models.layer_by_layer import LayerByLayer
from hizumi.shapes import is_bounded
from hizumi.training import Budget, Card, Preset, TrainingOptions, cosine_to_zero


class DeepAutoencoder(LayerByLayer, Autoencodes):
    """Fully connected logistic layers around a linear code, as in 2006.

    Fine-tuned by Adam where the paper takes conjugate gradients.

    Args:
        hidden: Sizes of the layers between the items and the code.
        code: Numbers of the code.
        pretraining: Share of the budget for the machines, in equal parts; 0 starts from small random weights.
        machine_learning_rate: Of the machines; a hundredth of it where units are Gaussian, as those of the code are.
        learning_rate: Of the fine-tuning; it falls to 0 along a cosine.
    """

    card = Card(
        family="codes",
        idea="start a deep autoencoder from machines that were trained layer by layer",
        paper="Hinton & Salakhutdinov, Reducing the dimensionality of data with neural networks, Science 2006",
    )
    default_budget = Budget(epochs=30)
    default_batch_size = 100
    presets = {
        "fast": Preset(
            lambda: DeepAutoencoder(hidden=(256, 128), learning_rate=2e-3),
            TrainingOptions(budget=Budget(steps=3000), batch_size=50),
        ),
        "small": Preset(lambda: DeepAutoencoder(hidden=(24,), code=4, pretraining=0.7)),
    }
    unrolled: Tensor

    def __init__(
        self,
        hidden: tuple[PositiveInt, ...] = (1000, 500, 250),
        code: PositiveInt = 30,
        pretraining: ShareBelowOne = 0.3,
        machine_learning_rate: PositiveFloat = 0.1,
        learning_rate: PositiveFloat = 1e-3,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.code = code
        self.pretraining = pretraining
        self.machine_learning_rate = machine_learning_rate
        self.learning_rate = learning_rate

    def build(self, shape: tuple[int, ...]) -> None:
        self.stack_machines(shape, (*self.hidden, self.code), self.machine_learning_rate, code_units="gaussian")
        self.encoder, self.decoder = self.stack.unrolled()
        self.register_buffer("unrolled", torch.tensor(False))
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimise("autoencoder", parameters, learning_rate=self.learning_rate, schedule=cosine_to_zero)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """Train the machine whose turn it is; once all are trained, unroll them, and fine-tune the whole."""
        if self.progress < self.pretraining:
            return self.train_machine(batch, self.progress / self.pretraining)
        if not self.unrolled:
            for network, trained in zip((self.encoder, self.decoder), self.stack.unrolled(), strict=True):
                network.load_state_dict(trained.state_dict())
            self.unrolled.fill_(True)
        return {"reconstruction": self.update("autoencoder", self.validation_loss(batch))}

    def validation_loss(self, batch: Tensor) -> Tensor:
        """Cross-entropy of grey values as chances, in nats an image; mean squared error of all but images."""
        rebuilt = self.decoder(self.encode(batch))
        units = self.units_of(batch)
        if not is_bounded(self.require_built()):
            return mse_loss(rebuilt, units)
        return binary_cross_entropy_with_logits(rebuilt, units, reduction="sum") / len(batch)

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(self.units_of(images))

    def decode(self, codes: Tensor) -> Tensor:
        rebuilt = self.decoder(codes)
        return self.items_of(rebuilt.sigmoid() if is_bounded(self.require_built()) else rebuilt)

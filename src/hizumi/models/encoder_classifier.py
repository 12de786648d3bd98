"""Encoder reuse: a classifier that starts from what a model learned without labels."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hizumi import networks
from hizumi.arguments import PositiveFloat, PositiveInt, Share, ShareBelowOne
from hizumi.data.guard import trusted
from hizumi.errors import DataError
from hizumi.models.abilities import CanEncode, LearnsClasses
from hizumi.training import Budget, Card, Preset, TrainingOptions, linear_to_zero

HIDDEN = 512  # units of the head


class EncoderClassifier(CanEncode, LearnsClasses):
    """A classifier on the codes of a generative model, or on an encoder of its own.

    A fitted encoder is first left as it is while the head learns, then both are fine-tuned. An encoder that is not
    fitted is trained from scratch, all at once. Either way a copy learns, and the model given keeps its weights.

    Args:
        classes: Number of classes; labels are 0 .. classes - 1.
        encoder: Any model that encodes, such as a fitted `Autoencoder` or `VAE`; None for convolutions of its own.
        frozen: Share of the budget in which a fitted encoder is kept frozen.
        dropout: Share of the codes, and of the head's hidden units, left out in training: few labels overfit soon.
        features: Outputs of its own encoder, where none is given.
        width: Channels of that encoder's first convolution.
        learning_rate: Of Adam, falling to 0 over the second half; a tenth of it for fine-tuning.
    """

    card = Card(
        family="codes",
        idea="cut the decoder off, put a classifier on the codes: frozen encoder first, then fine-tuned",
        paper="Hinton & Salakhutdinov, Reducing the dimensionality of data with neural networks, Science 2006",
        needs=("labels",),
    )
    default_budget = Budget(epochs=4)
    presets = {
        "fast": Preset(lambda: EncoderClassifier(), TrainingOptions(budget=Budget(steps=1000), batch_size=32)),
        "small": Preset(lambda: EncoderClassifier(width=8)),
    }
    classes: int

    def __init__(
        self,
        classes: PositiveInt = 10,
        encoder: CanEncode | None = None,
        frozen: Share = 0.3,
        dropout: ShareBelowOne = 0.3,
        features: PositiveInt = 128,
        width: PositiveInt = 16,
        learning_rate: PositiveFloat = 2e-3,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.encoder = encoder
        self.frozen = frozen
        self.dropout = dropout
        self.features = features
        self.width = width
        self.learning_rate = learning_rate

    def build(self, shape: tuple[int, ...]) -> None:
        self.body: nn.Module
        if self.encoder is None:
            self.body = networks.encoder(shape, self.features, self.width)
        else:
            self.body = self._copied(self.encoder, shape)
        with torch.no_grad(), trusted():  # of a shape alone, on the device "meta", no value can be looked at
            code = self.eval().encode(torch.zeros(1, *shape, device=self.device))
        self.head = nn.Sequential(
            nn.Dropout(self.dropout),
            nn.Linear(code.numel(), HIDDEN),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(HIDDEN, self.classes),
        )
        if self._reuses():
            self.optimise("head", self.head.parameters(), learning_rate=self.learning_rate)
        rate = self.learning_rate / 10 if self._reuses() else self.learning_rate
        everything = [*self.body.parameters(), *self.head.parameters()]
        self.optimise("classifier", everything, learning_rate=rate, schedule=linear_to_zero(0.5))

    def step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Step the head down the cross-entropy, and in its turn the encoder with it."""
        images, labels = batch
        self.check_labels(labels)
        if self._reuses():
            self.body.eval()  # a few labelled items would spoil batch-norm statistics of many unlabelled ones
        frozen = self._reuses() and self.progress < self.frozen
        with torch.set_grad_enabled(not frozen):
            codes = self.encode(images)
        loss = cross_entropy(self.head(codes.flatten(1)), labels)
        return {"cross_entropy": self.update("head" if frozen else "classifier", loss)}

    def validation_loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return cross_entropy(self.classify(batch[0]), batch[1])

    def classify(self, images: Tensor) -> Tensor:
        """Logits of the classes, (n, classes)."""
        return self.head(self.encode(images).flatten(1))

    def encode(self, images: Tensor) -> Tensor:
        return self.body.encode(images) if isinstance(self.body, CanEncode) else self.body(images)

    def _reuses(self) -> bool:
        return self.encoder is not None and self.encoder.images_seen > 0

    def _copied(self, encoder: CanEncode, shape: tuple[int, ...]) -> nn.Module:
        if not self._reuses():
            encoder.prepare(shape)
        if encoder.shape != shape:
            raise DataError(f"the encoder was fitted on items of shape {encoder.shape}, not {shape}; bring them to it")
        return copy.deepcopy(encoder).to(self.device)

"""Training: the contract, the one loop, checkpoints, the journal and the health check."""

from hizumi.training.card import Card
from hizumi.training.options import Budget, TrainingOptions
from hizumi.training.trainable import Trainable, constant, drop_at

__all__ = ["Budget", "Card", "Trainable", "TrainingOptions", "constant", "drop_at"]

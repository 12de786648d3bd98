"""Training: the contract, the loop, checkpoints, the journal and health checks."""

from hizumi.training.averaging import WeightAverage
from hizumi.training.card import Card
from hizumi.training.options import Budget, TrainingOptions
from hizumi.training.preset import Preset
from hizumi.training.trainable import Schedule, Trainable, constant, cosine_to_zero, drop_at, linear_to_zero

__all__ = [
    "Budget",
    "Card",
    "Preset",
    "Schedule",
    "Trainable",
    "TrainingOptions",
    "WeightAverage",
    "constant",
    "cosine_to_zero",
    "drop_at",
    "linear_to_zero",
]

"""Training: the contract, the loop, checkpoints, the journal and health checks."""

from hizumi.training.averaging import WeightAverage as WeightAverage
from hizumi.training.card import Card as Card
from hizumi.training.options import Budget as Budget, TrainingOptions as TrainingOptions
from hizumi.training.preset import Preset as Preset
from hizumi.training.trainable import (
    Schedule as Schedule,
    Trainable as Trainable,
    constant as constant,
    cosine_to_zero as cosine_to_zero,
    drop_at as drop_at,
    linear_to_zero as linear_to_zero,
)

"""Generation: a generative model with its data's preprocessing as one estimator, and the file it is kept in."""

from hizumi.generation.bundle import load, save
from hizumi.generation.modeller import Made, Modeller

__all__ = ["Made", "Modeller", "load", "save"]

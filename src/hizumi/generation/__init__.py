"""Generation: a generative model with its data's preprocessing as one estimator, and the file it is kept in."""

from hizumi.generation.bundle import load as load, save as save
from hizumi.generation.modeller import Made as Made, Modeller as Modeller

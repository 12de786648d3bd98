"""Generative models, one file each; the registry finds them here."""

from hizumi.models.abilities import CanEncode, CanReconstruct, CanSample, HasLikelihood, Likelihood
from hizumi.models.autoencoder import Autoencoder
from hizumi.models.dcgan import DCGAN
from hizumi.models.vae import VAE

__all__ = [
    "DCGAN",
    "VAE",
    "Autoencoder",
    "CanEncode",
    "CanReconstruct",
    "CanSample",
    "HasLikelihood",
    "Likelihood",
]

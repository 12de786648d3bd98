"""Generative models, one file each; the registry finds them here."""

from hizumi.models.abilities import (
    CanDecode,
    CanEncode,
    CanReconstruct,
    CanSample,
    CanSampleClasses,
    CanTranslate,
    CanTranslateBack,
    HasLikelihood,
    HasOpponent,
    HasPrior,
    HasTargetChannels,
    LearnsClasses,
    LogLikelihood,
)
from hizumi.models.ada_gan import AdaGAN
from hizumi.models.autoencoder import Autoencoder
from hizumi.models.bigan import BiGAN
from hizumi.models.conditional_gan import ConditionalGAN
from hizumi.models.cycle_gan import CycleGAN
from hizumi.models.dcgan import DCGAN
from hizumi.models.deep_autoencoder import DeepAutoencoder
from hizumi.models.deep_belief_network import DeepBeliefNetwork
from hizumi.models.diagonal_bilstm import DiagonalBiLSTM
from hizumi.models.encoder_classifier import EncoderClassifier
from hizumi.models.gan import GAN
from hizumi.models.gated_pixel_cnn import GatedPixelCNN
from hizumi.models.pix2pix import Pix2Pix
from hizumi.models.pixel_cnn import PixelCNN
from hizumi.models.progressive_gan import ProgressiveGAN
from hizumi.models.row_lstm import RowLSTM
from hizumi.models.unrolled_gan import UnrolledGAN
from hizumi.models.vae import VAE
from hizumi.models.veegan import VEEGAN
from hizumi.models.wgan import WGAN
from hizumi.models.wgan_gp import WGANGP

__all__ = [
    "DCGAN",
    "GAN",
    "VAE",
    "VEEGAN",
    "WGAN",
    "WGANGP",
    "AdaGAN",
    "Autoencoder",
    "BiGAN",
    "CanDecode",
    "CanEncode",
    "CanReconstruct",
    "CanSample",
    "CanSampleClasses",
    "CanTranslate",
    "CanTranslateBack",
    "ConditionalGAN",
    "CycleGAN",
    "DeepAutoencoder",
    "DeepBeliefNetwork",
    "DiagonalBiLSTM",
    "EncoderClassifier",
    "GatedPixelCNN",
    "HasLikelihood",
    "HasOpponent",
    "HasPrior",
    "HasTargetChannels",
    "LearnsClasses",
    "LogLikelihood",
    "Pix2Pix",
    "PixelCNN",
    "ProgressiveGAN",
    "RowLSTM",
    "UnrolledGAN",
]

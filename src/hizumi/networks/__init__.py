"""Networks: bodies without losses, optimisers or devices, for any channel count and size."""

from hizumi.networks.build import critic, encoder, flat_critic, flat_generator, generator
from hizumi.networks.dcgan import Critic, Encoder, Generator
from hizumi.networks.joint import JointCritic
from hizumi.networks.mlp import VectorCritic, mlp
from hizumi.networks.patchgan import PatchGAN, patch_layers
from hizumi.networks.pixel import AutoregressiveNetwork, GatedNetwork, Incremental, MaskedNetwork, Recomputed
from hizumi.networks.progressive import ProgressiveCritic, ProgressiveGenerator, growth_at, level_and_fade
from hizumi.networks.rbm import BoltzmannStack, RestrictedBoltzmannMachine, Units
from hizumi.networks.recurrent import DiagonalBiLSTMLayer, RecurrentNetwork, RowLSTMLayer
from hizumi.networks.resnet import ResNet
from hizumi.networks.spatial import SpatialDecoder, SpatialEncoder
from hizumi.networks.unet import UNet
from hizumi.networks.warp import AffineWarp

__all__ = [
    "AffineWarp",
    "AutoregressiveNetwork",
    "BoltzmannStack",
    "Critic",
    "DiagonalBiLSTMLayer",
    "Encoder",
    "GatedNetwork",
    "Generator",
    "Incremental",
    "JointCritic",
    "MaskedNetwork",
    "PatchGAN",
    "ProgressiveCritic",
    "ProgressiveGenerator",
    "Recomputed",
    "RecurrentNetwork",
    "ResNet",
    "RestrictedBoltzmannMachine",
    "RowLSTMLayer",
    "SpatialDecoder",
    "SpatialEncoder",
    "UNet",
    "Units",
    "VectorCritic",
    "critic",
    "encoder",
    "flat_critic",
    "flat_generator",
    "generator",
    "growth_at",
    "level_and_fade",
    "mlp",
    "patch_layers",
]

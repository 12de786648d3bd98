"""Networks: modules without losses, optimisers or device calls, for any channel count and size."""

from hizumi.networks.bias_free import BiasFreeDecoder, BiasFreeEncoder, bias_free_mlp
from hizumi.networks.build import critic, encoder, flat_critic, flat_generator, generator
from hizumi.networks.dcgan import CodeCritic, Critic, Encoder, Generator, Hourglass
from hizumi.networks.folding import folded, in_bfloat16, lay_out
from hizumi.networks.joint import JointCritic, PairCritic
from hizumi.networks.mlp import VectorCritic, mlp
from hizumi.networks.normalisation import normalise_spectrally
from hizumi.networks.patchgan import PatchGAN, patch_layers
from hizumi.networks.pixel import AutoregressiveNetwork, GatedNetwork, Incremental, MaskedNetwork, Recomputed
from hizumi.networks.progressive import ProgressiveCritic, ProgressiveGenerator, growth_at, level_and_fade
from hizumi.networks.rbm import BoltzmannStack, RestrictedBoltzmannMachine, Units
from hizumi.networks.recurrent import DiagonalBiLSTMLayer, RecurrentNetwork, RowLSTMLayer
from hizumi.networks.residual import ResidualCritic, ResidualEncoder, ResidualGenerator
from hizumi.networks.resnet import ResNet
from hizumi.networks.spatial import SpatialDecoder, SpatialEncoder
from hizumi.networks.unet import UNet
from hizumi.networks.warp import AffineWarp

__all__ = [
    "AffineWarp",
    "AutoregressiveNetwork",
    "BiasFreeDecoder",
    "BiasFreeEncoder",
    "BoltzmannStack",
    "CodeCritic",
    "Critic",
    "DiagonalBiLSTMLayer",
    "Encoder",
    "GatedNetwork",
    "Generator",
    "Hourglass",
    "Incremental",
    "JointCritic",
    "MaskedNetwork",
    "PairCritic",
    "PatchGAN",
    "ProgressiveCritic",
    "ProgressiveGenerator",
    "Recomputed",
    "RecurrentNetwork",
    "ResNet",
    "ResidualCritic",
    "ResidualEncoder",
    "ResidualGenerator",
    "RestrictedBoltzmannMachine",
    "RowLSTMLayer",
    "SpatialDecoder",
    "SpatialEncoder",
    "UNet",
    "Units",
    "VectorCritic",
    "bias_free_mlp",
    "critic",
    "encoder",
    "flat_critic",
    "flat_generator",
    "folded",
    "generator",
    "growth_at",
    "in_bfloat16",
    "lay_out",
    "level_and_fade",
    "mlp",
    "normalise_spectrally",
    "patch_layers",
]

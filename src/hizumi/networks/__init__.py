"""Networks: modules without losses, optimisers or device calls, for any channel count and size."""

from hizumi.networks.bias_free import (
    BiasFreeDecoder as BiasFreeDecoder,
    BiasFreeEncoder as BiasFreeEncoder,
    bias_free_mlp as bias_free_mlp,
)
from hizumi.networks.build import (
    critic as critic,
    encoder as encoder,
    flat_critic as flat_critic,
    flat_generator as flat_generator,
    generator as generator,
)
from hizumi.networks.continuation import ContinuationGenerator as ContinuationGenerator
from hizumi.networks.dcgan import (
    CodeCritic as CodeCritic,
    Critic as Critic,
    Encoder as Encoder,
    Generator as Generator,
    Hourglass as Hourglass,
)
from hizumi.networks.folding import folded as folded, in_bfloat16 as in_bfloat16, lay_out as lay_out
from hizumi.networks.joint import JointCritic as JointCritic, PairCritic as PairCritic
from hizumi.networks.mlp import VectorCritic as VectorCritic, mlp as mlp
from hizumi.networks.normalisation import normalise_spectrally as normalise_spectrally
from hizumi.networks.patchgan import PatchGAN as PatchGAN, patch_layers as patch_layers
from hizumi.networks.pixel import (
    AutoregressiveNetwork as AutoregressiveNetwork,
    GatedNetwork as GatedNetwork,
    Incremental as Incremental,
    MaskedNetwork as MaskedNetwork,
    Recomputed as Recomputed,
)
from hizumi.networks.progressive import (
    ProgressiveCritic as ProgressiveCritic,
    ProgressiveGenerator as ProgressiveGenerator,
    growth_at as growth_at,
    level_and_fade as level_and_fade,
)
from hizumi.networks.rbm import (
    BoltzmannStack as BoltzmannStack,
    RestrictedBoltzmannMachine as RestrictedBoltzmannMachine,
    Units as Units,
)
from hizumi.networks.recurrent import (
    DiagonalBiLSTMLayer as DiagonalBiLSTMLayer,
    LSTMLayer as LSTMLayer,
    RecurrentNetwork as RecurrentNetwork,
    RowLSTMLayer as RowLSTMLayer,
)
from hizumi.networks.residual import (
    ResidualCritic as ResidualCritic,
    ResidualEncoder as ResidualEncoder,
    ResidualGenerator as ResidualGenerator,
)
from hizumi.networks.resnet import ResNet as ResNet
from hizumi.networks.spatial import SpatialDecoder as SpatialDecoder, SpatialEncoder as SpatialEncoder
from hizumi.networks.unet import UNet as UNet
from hizumi.networks.warp import AffineWarp as AffineWarp

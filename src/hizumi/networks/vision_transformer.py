"""Vision transformers of DINOv2: Oquab et al., "Learning robust visual features without supervision", TMLR 2024.

Names and shapes of weights are those of its authors and of timm; files of Hugging Face's transformers are taken too.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

from hizumi.networks.frozen import FrozenNetwork
from hizumi.networks.photographs import standardised
from hizumi.networks.weight_files import load_weights

PATCH = 14  # pixels
BLOCKS = 12
SIDE = 37  # patches of the images that positions were learned on, 518 pixels

TRANSFORMERS_NAMES = {  # parts of names in files of Hugging Face, and what they are here
    "embeddings.patch_embeddings.projection.": "patch_embed.proj.",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.cls_token": "cls_token",
    "embeddings.mask_token": "mask_token",
    "encoder.layer.": "blocks.",
    ".attention.attention.": ".attn.",
    ".attention.output.dense.": ".attn.proj.",
    ".layer_scale1.lambda1": ".ls1.gamma",
    ".layer_scale2.lambda1": ".ls2.gamma",
    "layernorm.": "norm.",
}
QUERY_KEY_VALUE = ("query", "key", "value")  # apart there, one matrix here

TransformerKind = Literal["dinov2_small", "dinov2_base"]


class _Form(NamedTuple):
    width: int
    heads: int


FORMS: dict[TransformerKind, _Form] = {"dinov2_small": _Form(384, 6), "dinov2_base": _Form(768, 12)}


class VisionTransformer(FrozenNetwork):
    """Images (n, c, h, w) in [-1, 1] to a list of maps of patches, lowest level first; levels 1 to 12 are the blocks.

    A patch has 14 by 14 pixels, and so sides are multiples of 14. Every level is normalised by the last layer, as its
    authors do. The weights are frozen.

    Args:
        kind: Which network, without registers.
        levels: Which levels to return; nothing above the highest is computed.
        weights: A file of its weights.
        sha256: The hash that file must have.
    """

    def __init__(self, kind: TransformerKind, levels: tuple[int, ...], weights: Path, sha256: str) -> None:
        super().__init__(levels)
        form = FORMS[kind]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, form.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + SIDE**2, form.width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, form.width, PATCH, PATCH)})
        self.blocks = nn.ModuleList(_Block(form) for _ in range(max(levels)))
        self.norm = nn.LayerNorm(form.width, eps=1e-6)
        load_weights(self, weights, sha256, kind, _translated)
        self.frozen()

    def maps(self, images: Tensor) -> list[Tensor]:
        patches = self.patch_embed["proj"](standardised(images))
        grid = patches.shape[2:]
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + self._positions(grid[0], grid[1])
        maps = []
        for level, block in enumerate(self.blocks, 1):
            tokens = block(tokens)
            if level in self.levels:
                maps.append(self.norm(tokens)[:, 1:].transpose(1, 2).reshape(len(tokens), -1, *grid))
        return maps

    def _positions(self, rows: int, columns: int) -> Tensor:
        """What is learned of positions, brought to another grid."""
        if (rows, columns) == (SIDE, SIDE):
            return self.pos_embed
        learned = self.pos_embed[:, 1:].transpose(1, 2).reshape(1, -1, SIDE, SIDE)
        brought = interpolate(learned, (rows, columns), mode="bicubic", antialias=True, align_corners=False)
        return torch.cat([self.pos_embed[:, :1], brought.flatten(2).transpose(1, 2)], 1)


def _translated(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Weights by their names here, whichever of the usual ones they have."""
    found = {}
    for name, tensor in state.items():
        name = name.removeprefix("dinov2.")
        if name.startswith(("embeddings.", "encoder.layer.", "layernorm.")):
            for theirs, ours in TRANSFORMERS_NAMES.items():
                name = name.replace(theirs, ours)
        found[name] = tensor
    for query in [name for name in found if ".attn.query." in name]:
        apart = [query.replace("query", part) for part in QUERY_KEY_VALUE]
        if found.keys() >= set(apart):
            found[query.replace("query", "qkv")] = torch.cat([found.pop(name) for name in apart])
    return found


class _Block(nn.Module):
    """Attention and a perceptron, each of what is normalised, scaled and added."""

    def __init__(self, form: _Form) -> None:
        super().__init__()
        width = form.width
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = _Attention(form)
        self.ls1, self.ls2 = _Scale(width), _Scale(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        hidden = nn.functional.gelu(self.mlp["fc1"](self.norm2(tokens)))
        return tokens + self.ls2(self.mlp["fc2"](hidden))


class _Attention(nn.Module):
    def __init__(self, form: _Form) -> None:
        super().__init__()
        self.heads = form.heads
        self.qkv = nn.Linear(form.width, 3 * form.width)
        self.proj = nn.Linear(form.width, form.width)

    def forward(self, tokens: Tensor) -> Tensor:
        parts = self.qkv(tokens).reshape(*tokens.shape[:2], 3, self.heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(queries, keys, values, scale=1 / math.sqrt(queries.shape[-1]))
        return self.proj(mixed.transpose(1, 2).flatten(2))


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.gamma

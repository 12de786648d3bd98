"""Bodies with weights of your own: against plain functional arithmetic on the same weights, by their usual names."""

import hashlib
import math
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from hizumi.detectors import GaussianFeatures
from hizumi.detectors.fixed_features import LEVEL_CHANNELS, FixedFeatures
from hizumi.errors import DataError, UsageError
from hizumi.inspection import Inspector, load, save
from hizumi.networks.residual_network import FORMS, ResidualNetwork
from hizumi.networks.vision_transformer import BLOCKS, VisionTransformer

Weights = dict[str, Tensor]
MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def residual_weights(kind: str, stages: int = 4) -> Weights:
    """Random ones, by the names of torchvision."""
    generator = torch.Generator().manual_seed(0)
    form, weights = FORMS[kind], {}

    def convolution(name: str, norm: str, inputs: int, outputs: int, side: int) -> None:
        scale = (inputs * side * side) ** -0.5
        weights[f"{name}.weight"] = scale * torch.randn(outputs, inputs, side, side, generator=generator)
        weights[f"{norm}.running_mean"] = 0.1 * torch.randn(outputs, generator=generator)
        for each in ("weight", "running_var"):
            weights[f"{norm}.{each}"] = 0.5 + torch.rand(outputs, generator=generator)
        weights[f"{norm}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(1)

    convolution("conv1", "bn1", 3, 64, 7)
    inputs = 64
    for stage in range(stages):
        width = 64 * 2**stage
        inner, outputs = form.inner * width, form.channels[stage]
        for block in range(form.blocks[stage]):
            name = f"layer{stage + 1}.{block}"
            sides = [(inputs, inner, 3), (inner, outputs, 3)]
            if form.expansion > 1:
                sides = [(inputs, inner, 1), (inner, inner, 3), (inner, outputs, 1)]
            for number, (before, after, side) in enumerate(sides, 1):
                convolution(f"{name}.conv{number}", f"{name}.bn{number}", before, after, side)
            if block == 0 and (stage > 0 or inputs != outputs):
                convolution(f"{name}.downsample.0", f"{name}.downsample.1", inputs, outputs, 1)
            inputs = outputs
    return weights | {"fc.weight": torch.zeros(1000, inputs), "fc.bias": torch.zeros(1000)}


def residual_maps(weights: Weights, kind: str, images: Tensor) -> list[Tensor]:
    def normed(x: Tensor, conv: str, norm: str, stride: int = 1) -> Tensor:
        kernel = weights[f"{conv}.weight"]
        x = functional.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2)
        mean, variance = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
        scale = weights[f"{norm}.weight"] / (variance + 1e-5).sqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + weights[f"{norm}.bias"][:, None, None]

    x = ((images + 1) / 2 - MEAN[:, None, None]) / DEVIATION[:, None, None]
    x = functional.max_pool2d(normed(x, "conv1", "bn1", 2).relu(), 3, 2, 1)
    maps = []
    for stage, blocks in enumerate(FORMS[kind].blocks, 1):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            count = 3 if f"{name}.conv3.weight" in weights else 2
            strided, y = (2 if count == 3 else 1), x
            for number in range(1, count + 1):
                y = normed(y, f"{name}.conv{number}", f"{name}.bn{number}", stride if number == strided else 1)
                y = y.relu() if number < count else y
            if f"{name}.downsample.0.weight" in weights:
                x = normed(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            x = (x + y).relu()
        maps.append(x)
    return maps


def transformer_weights(width: int, blocks: int = BLOCKS) -> Weights:
    """Random ones, by the names of DINOv2."""
    generator = torch.Generator().manual_seed(0)

    def of(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * shape[-1] ** -0.5

    weights = {"cls_token": of(1, 1, width), "pos_embed": of(1, 1370, width), "mask_token": of(1, width)}
    weights |= {"patch_embed.proj.weight": 0.05 * of(width, 3, 14, 14), "patch_embed.proj.bias": of(width)}
    for name in (f"blocks.{number}" for number in range(blocks)):
        for layer, inputs, outputs in (
            ("attn.qkv", width, 3 * width),
            ("attn.proj", width, width),
            ("mlp.fc1", width, 4 * width),
            ("mlp.fc2", 4 * width, width),
        ):
            weights |= {f"{name}.{layer}.weight": of(outputs, inputs), f"{name}.{layer}.bias": of(outputs)}
        for norm in ("norm1", "norm2"):
            weights |= {f"{name}.{norm}.weight": 1 + of(width), f"{name}.{norm}.bias": of(width)}
        weights |= {f"{name}.ls1.gamma": of(width), f"{name}.ls2.gamma": of(width)}
    return weights | {"norm.weight": 1 + of(width), "norm.bias": of(width)}


def transformer_maps(weights: Weights, heads: int, images: Tensor) -> list[Tensor]:
    """Of images of 518 pixels, the size that positions were learned on."""

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def normed(x: Tensor, name: str) -> Tensor:
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-6).sqrt()
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = ((images + 1) / 2 - MEAN[:, None, None]) / DEVIATION[:, None, None]
    rows, columns = x.shape[2] // 14, x.shape[3] // 14
    patches = x.unfold(2, 14, 14).unfold(3, 14, 14).permute(0, 2, 3, 1, 4, 5).reshape(len(x), rows * columns, -1)
    kernel = weights["patch_embed.proj.weight"].flatten(1)
    patches = patches @ kernel.T + weights["patch_embed.proj.bias"]
    tokens = torch.cat([weights["cls_token"].expand(len(x), -1, -1), patches], 1) + weights["pos_embed"]
    maps = []
    for number in range(BLOCKS):
        name = f"blocks.{number}"
        mixed = linear(normed(tokens, f"{name}.norm1"), f"{name}.attn.qkv")
        side = mixed.shape[-1] // 3 // heads
        outputs = []
        for head in range(heads):
            query, key, value = (mixed[..., side * (part * heads + head) :][..., :side] for part in range(3))
            outputs.append((query @ key.transpose(1, 2) / side**0.5).softmax(-1) @ value)
        tokens = tokens + linear(torch.cat(outputs, -1), f"{name}.attn.proj") * weights[f"{name}.ls1.gamma"]
        hidden = linear(normed(tokens, f"{name}.norm2"), f"{name}.mlp.fc1")
        hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
        tokens = tokens + linear(hidden, f"{name}.mlp.fc2") * weights[f"{name}.ls2.gamma"]
        maps.append(normed(tokens, "norm")[:, 1:].transpose(1, 2).reshape(len(x), -1, rows, columns))
    return maps


def as_transformers_writes(weights: Weights) -> Weights:
    """The same weights by the names in Hugging Face's files, as its own save_pretrained gave them."""
    renamed = {}
    for name, tensor in weights.items():
        name = re.sub(r"^layer(\d)", lambda found: f"resnet.encoder.stages.{int(found[1]) - 1}", name)
        name = re.sub(r"(stages\.\d)\.(\d+)", r"\1.layers.\2", name)
        name = re.sub(r"\.conv(\d)\.", lambda found: f".layer.{int(found[1]) - 1}.convolution.", name)
        name = re.sub(r"\.bn(\d)\.", lambda found: f".layer.{int(found[1]) - 1}.normalization.", name)
        for ours, theirs in (
            ("conv1.", "resnet.embedder.embedder.convolution."),
            ("bn1.", "resnet.embedder.embedder.normalization."),
            ("downsample.0", "shortcut.convolution"),
            ("downsample.1", "shortcut.normalization"),
            ("fc.", "classifier.1."),
            ("cls_token", "embeddings.cls_token"),
            ("mask_token", "embeddings.mask_token"),
            ("pos_embed", "embeddings.position_embeddings"),
            ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
            ("norm.", "layernorm."),
        ):
            name = theirs + name.removeprefix(ours) if name.startswith(ours) else name.replace(f".{ours}", f".{theirs}")
        name = re.sub(r"^blocks\.", "encoder.layer.", name)
        name = name.replace("attn.proj", "attention.output.dense")
        name = re.sub(r"ls(\d)\.gamma", r"layer_scale\1.lambda1", name)
        if ".attn.qkv." in name:
            for word, part in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                renamed[name.replace("attn.qkv", f"attention.attention.{word}")] = part.contiguous()
        else:
            renamed[name] = tensor
    return renamed


def written(weights: Mapping[str, object], path: Path) -> tuple[Path, str]:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(weights, path)
    else:
        torch.save(weights, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", FORMS)
@torch.no_grad()
def test_residual_networks_are_those_of_the_paper(kind: str, tmp_path: Path) -> None:
    weights = residual_weights(kind)
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1
    maps = ResidualNetwork(kind, (4, 2, 3, 1), *written(weights, tmp_path / "weights.pth"))(images)
    assert tuple(each.shape[1] for each in maps) == LEVEL_CHANNELS[kind]
    for found, expected in zip(maps, residual_maps(weights, kind, images), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@torch.no_grad()
def test_transformer_is_that_of_the_paper(tmp_path: Path) -> None:
    weights = transformer_weights(384)
    images = torch.rand(1, 3, 518, 518, generator=torch.Generator().manual_seed(1)) * 2 - 1
    body = VisionTransformer("dinov2_small", (12, 6), *written(weights, tmp_path / "weights.safetensors"))
    expected = transformer_maps(weights, 6, images)
    for found, reference in zip(body(images), (expected[5], expected[11]), strict=True):
        torch.testing.assert_close(found, reference, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_transformer_takes_other_sizes(tmp_path: Path) -> None:
    weights = transformer_weights(384, blocks=1)
    ramp = torch.linspace(-1, 1, 37)[None, :, None] * torch.ones(1, 37, 37)
    weights["pos_embed"] = torch.cat([torch.zeros(1, 1), ramp.reshape(1369, 1)]).expand(-1, 384)[None].contiguous()
    body = VisionTransformer("dinov2_small", (1,), *written(weights, tmp_path / "weights.safetensors"))
    brought = body._positions(8, 5)[0, 1:, 0].reshape(8, 5)
    centres = (torch.arange(8) + 0.5) / 8 * 37 - 0.5  # of rows, in rows of the learned grid: the ramp is read there
    torch.testing.assert_close(brought[1:-1, 2], (centres / 18 - 1)[1:-1], atol=0.01, rtol=0)
    assert body(torch.zeros(2, 1, 8 * 14, 5 * 14))[0].shape == (2, 384, 8, 5)


@pytest.mark.parametrize("kind", ["resnet18", "dinov2_small"])
def test_a_detector_on_them_is_saved_whole(kind: str, tmp_path: Path) -> None:
    weights = residual_weights("resnet18") if kind == "resnet18" else transformer_weights(384, blocks=2)
    path, sha256 = written(weights, tmp_path / "weights.safetensors")
    images = np.random.default_rng(0).integers(0, 256, (24, 48, 48), np.uint8)
    levels = (1, 2)
    detector = GaussianFeatures(
        map_levels=levels, network=kind, channels=8, input_size=None, weights=str(path), sha256=sha256
    )
    inspector = Inspector(detector, image_size=48, false_alarm_rate=0.2).fit(images)
    bundle = save(inspector, tmp_path / "parts.hizumi")
    path.unlink()  # what judges elsewhere has the bundle alone
    assert [each.score for each in load(bundle).inspect(images[:5])] == [
        each.score for each in inspector.inspect(images[:5])
    ]


@torch.no_grad()
def test_files_of_hugging_face_are_the_same_networks(tmp_path: Path) -> None:
    images = torch.rand(1, 3, 56, 70, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for made, kind, weights in (
        (ResidualNetwork, "resnet18", residual_weights("resnet18")),
        (ResidualNetwork, "resnet50", residual_weights("resnet50")),
        (VisionTransformer, "dinov2_small", transformer_weights(384, blocks=3)),
    ):
        theirs = as_transformers_writes(weights)
        assert not theirs.keys() & weights.keys()
        plain, same = (
            made(kind, (1, 2), *written(each, tmp_path / "weights.safetensors"))(images) for each in (weights, theirs)
        )
        for found, expected in zip(same, plain, strict=True):
            assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("kind", "surplus"),
    [
        ("dinov2_small", "register_tokens"),
        ("dinov2_small", "reg_token"),
        ("dinov2_small", "embeddings.register_tokens"),
        ("resnet18", "layer1.0.se.fc1.weight"),
        ("resnet18", "conv1.0.weight"),
    ],
)
def test_weights_of_a_relative_are_refused(kind: str, surplus: str, tmp_path: Path) -> None:
    made = ResidualNetwork if kind == "resnet18" else VisionTransformer
    weights = residual_weights("resnet18") if kind == "resnet18" else transformer_weights(384, blocks=2)
    made(kind, (1,), *written(weights, tmp_path / "a"))  # a classifier and higher levels are there, and not needed
    message = rf"not those of {kind}: it has no place for their '{re.escape(surplus)}'"
    with pytest.raises(DataError, match=message):
        made(kind, (1,), *written({**weights, surplus: torch.zeros(1, 4, 384)}, tmp_path / "b"))


def test_what_is_not_their_weights_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="resnet18 comes without weights"):
        FixedFeatures((3, 64, 64), (1,), kind="resnet18")
    other = written(residual_weights("resnet50", 1), tmp_path / "resnet50.pth")
    with pytest.raises(DataError, match=r"not those of resnet18: 'stages\.0\.0\.layers\.0\.weight' is 64x64x1x1"):
        ResidualNetwork("resnet18", (1,), *other)
    whole = written({"state_dict": {f"module.{k}": v for k, v in residual_weights("resnet18").items()}}, tmp_path / "a")
    ResidualNetwork("resnet18", (4,), *whole)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
    for content in (b"no weights", b"", b"hello", b"<!DOCTYPE html>", pointer, pickle.dumps({"a": 1})):
        (tmp_path / "b").write_bytes(content)
        with pytest.raises(DataError, match="no plain state dictionary of PyTorch; save what state_dict"):
            ResidualNetwork("resnet18", (1,), tmp_path / "b", hashlib.sha256(content).hexdigest())
    for content in ({"epoch": 3}, {3: torch.zeros(1)}):
        with pytest.raises(DataError, match="no state dictionary"):
            ResidualNetwork("resnet18", (1,), *written(content, tmp_path / "c"))


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda tensor: tensor.index_fill(0, torch.tensor([0]), math.nan),
        lambda tensor: (100 * tensor).to(torch.int8),
        lambda tensor: tensor.to(torch.complex64),
        lambda tensor: tensor.to_sparse(),
        lambda tensor: tensor.to("meta"),
    ],
)
def test_weights_of_no_use_are_refused(spoiled: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    weights = residual_weights("resnet18")
    bad = written({**weights, "conv1.weight": spoiled(weights["conv1.weight"])}, tmp_path / "bad")
    with pytest.raises(DataError, match=r"of no use: 'stem\.0\.weight' holds NaN"):
        ResidualNetwork("resnet18", (1,), *bad)


def test_names_that_training_scripts_prefix_are_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    weights = residual_weights("resnet18")
    plain = ResidualNetwork("resnet18", (1,), *written(weights, tmp_path / "plain")).state_dict()
    for prefix in ("model.", "_orig_mod.", "module.model.", "backbone.module."):
        path, sha256 = written({f"{prefix}{name}": each for name, each in weights.items()}, tmp_path / "prefixed")
        found = FixedFeatures((3, 64, 64), (1,), None, None, f"~/{path.name}", sha256, "resnet18").network.state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in plain.items())

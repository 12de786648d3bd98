"""ONNX graphs as bodies: against the same layers in torch; what is no such graph is refused in words."""

import copy
import hashlib
import pickle
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hizumi.detectors import GaussianFeatures, NearestFeatures, OnFeatures
from hizumi.detectors.fixed_features import FixedFeatures
from hizumi.errors import BundleError, DataError, HizumiError, MissingExtraError, ShortageError, UsageError
from hizumi.export import export
from hizumi.inspection import Inspector, load, save
from hizumi.networks import onnx_graph
from hizumi.networks.onnx_graph import OnnxGraph

onnx = pytest.importorskip("onnx", reason="makes graphs")
pytest.importorskip("onnxruntime", reason="runs graphs")

FREE = ("n", 3, "h", "w")
IMAGES = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1
CHANNELS = (4, 6, 8)
KERNELS = [
    0.3 * torch.randn(outputs, inputs, 3, 3, generator=torch.Generator().manual_seed(outputs))
    for inputs, outputs in zip((3, *CHANNELS), CHANNELS, strict=False)
]


def written(
    path: Path, shape: Sequence[int | str] = FREE, change: Callable[[Any], None] = lambda model: None
) -> tuple[str, str]:
    """A graph of three strided convolutions, with a map after each; its place, and its hash."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes, names = [], ["images", "low", "middle", "high"]
    for number, (before, after) in enumerate(pairwise(names)):
        sizes = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
        nodes.append(helper.make_node("Conv", [before, f"kernel{number}"], [f"sum{number}"], **sizes))
        nodes.append(helper.make_node("Relu", [f"sum{number}"], [after]))
    graph = helper.make_graph(
        nodes,
        "body",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info(name, kind, [shape[0], None, None, None]) for name in names[1:]],
        [onnx.numpy_helper.from_array(kernel.numpy(), f"kernel{number}") for number, kernel in enumerate(KERNELS)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    change(model)
    path.write_bytes(model.SerializeToString())
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


def expected_maps(images: Tensor) -> list[Tensor]:
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x, maps = ((images + 1) / 2 - mean[:, None, None]) / deviation[:, None, None], []
    for kernel in KERNELS:
        x = functional.conv2d(x, kernel, stride=2, padding=1).relu()
        maps.append(x)
    return maps


@pytest.mark.parametrize("shape", [FREE, (1, 3, "h", "w"), (1, 3, 64, 96)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_maps_are_those_of_the_layers_in_torch(shape: Sequence[int | str], kind: torch.dtype, tmp_path: Path) -> None:
    path, sha256 = written(tmp_path / "body.onnx", shape)
    body = OnnxGraph((3, 1), Path(path), sha256.upper())
    assert body.channels == {1: 4, 3: 8}
    assert body.sides == ((64, 96) if 64 in shape else None)
    first, _, third = expected_maps(IMAGES)
    for found, expected in zip(body(IMAGES.to(kind)), (first, third), strict=True):
        torch.testing.assert_close(found, expected.to(kind), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(body(IMAGES)[1][1:2], body(IMAGES[1:2])[1], rtol=0, atol=0)  # whatever the batch


def test_images_are_brought_to_the_one_size_that_a_graph_takes(tmp_path: Path) -> None:
    path, sha256 = written(tmp_path / "body.onnx", ("n", 3, 50, 70))
    features = FixedFeatures((1, 32, 32), (2,), 224, weights=path, sha256=sha256, kind="onnx")
    grey = IMAGES[:, :1, :32, :32]
    brought = functional.interpolate(grey, (50, 70), mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)
    torch.testing.assert_close(features(grey)[2], expected_maps(brought)[1], rtol=1e-5, atol=1e-5)
    assert features.grid == (6, 9)


@pytest.mark.parametrize("network", ["nearest", "gaussian", "on"])
def test_a_detector_on_a_graph_is_saved_with_it(network: str, tmp_path: Path) -> None:
    path, sha256 = written(tmp_path / "body.onnx")
    given: Any = {"network": "onnx", "input_size": None, "weights": path, "sha256": sha256}
    detector = {
        "nearest": lambda: NearestFeatures((2, 3), memory=50, candidates=200, **given),
        "gaussian": lambda: GaussianFeatures(map_levels=(1, 3), channels=8, **given),
        "on": lambda: OnFeatures(NearestFeatures((1,), "wavelets", None, memory=50, candidates=200), (2,), **given),
    }[network]()
    images = np.random.default_rng(0).integers(0, 256, (24, 48, 48), np.uint8)
    inspector = Inspector(detector, image_size=48, false_alarm_rate=0.2).fit(images)
    bundle = save(inspector, tmp_path / "parts.hizumi")
    Path(path).unlink()  # what judges elsewhere has the bundle alone
    scores = [each.score for each in inspector.inspect(images[:5])]
    loaded = load(bundle)
    assert [each.score for each in loaded.inspect(images[:5])] == scores
    assert [each.score for each in loaded.inspect(images[2:3])] == pytest.approx(scores[2:3], rel=1e-5)


@pytest.mark.slow
def test_a_graph_within_a_graph_is_not_exported(tmp_path: Path) -> None:
    path, sha256 = written(tmp_path / "body.onnx")
    images = np.random.default_rng(0).integers(0, 256, (24, 48, 48), np.uint8)
    detector = NearestFeatures((2,), "onnx", None, memory=9, candidates=9, weights=path, sha256=sha256)
    inspector = Inspector(detector, image_size=48, false_alarm_rate=0.2).fit(images)
    with pytest.raises(UsageError, match="its network is an ONNX graph, and none is exported within another"):
        export(inspector, tmp_path / "parts.onnx.hizumi", images)


def test_copies_have_one_session_and_are_sent_whole(tmp_path: Path) -> None:
    path, sha256 = written(tmp_path / "body.onnx")
    body = OnnxGraph((2,), Path(path), sha256)
    copied = copy.deepcopy(body)
    assert copied._session is body._session
    sent = pickle.dumps(body)  # as Ray does between processes
    expected = body(IMAGES)
    del body, copied
    torch.testing.assert_close(pickle.loads(sent)(IMAGES), expected, rtol=0, atol=0)


def second_input(model: Any) -> None:
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1]))


def external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="kernels.bin")


def tokens(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("Flatten", ["high"], ["rows"]))
    model.graph.output[1].CopyFrom(onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, ["n", None]))


def broken(model: Any) -> None:
    kernels = model.graph.initializer[0]
    values = np.full_like(onnx.numpy_helper.to_array(kernels), np.nan)
    kernels.CopyFrom(onnx.numpy_helper.from_array(values, kernels.name))


@pytest.mark.parametrize(
    ("shape", "change", "message"),
    [
        (FREE, second_input, r"has 2 inputs, 1 images \(n, 3, h, w\), 2 mask \(1\); it must have one"),
        (FREE, external, "has data in other files, which is not taken"),
        (FREE, broken, "makes NaN or infinite values of a grey image"),
        (FREE, tokens, r"gives rows \(1, \d+\) of type float32, and a level is maps \(n, k, h, w\)"),
        ((2, 3, "h", "w"), lambda model: None, r"takes images \(2, 3, h, w\) of tensor\(float\); it must take"),
        (("n", 4, "h", "w"), lambda model: None, r"takes images \(n, 4, h, w\) of"),
        (FREE, lambda model: model.graph.node.pop(0), "is no ONNX graph that ONNX Runtime loads"),
    ],
)
def test_other_graphs_are_refused_in_words(
    shape: Sequence[int | str], change: Callable[[Any], None], message: str, tmp_path: Path
) -> None:
    path, sha256 = written(tmp_path / "body.onnx", shape, change)
    with pytest.raises(DataError, match=f"^the network .*body.onnx {message}") as caught:
        OnnxGraph((2,), Path(path), sha256)
    assert "\n" not in str(caught.value)


def test_other_files_hashes_and_levels_are_refused_in_words(tmp_path: Path) -> None:
    path, sha256 = written(tmp_path / "body.onnx")

    def refused(kind: type[HizumiError], message: str, content: bytes | None = None, *levels: int) -> None:
        if content is not None:
            Path(path).write_bytes(content)
        known = sha256 if content is None else hashlib.sha256(content).hexdigest()
        with pytest.raises(kind, match=message):
            OnnxGraph(levels or (1,), Path(path), known)

    refused(UsageError, r"levels \(2, 4\): .* has 3, 1 low \(n, .*\), 2 middle .*, 3 high", None, 2, 4)
    with pytest.raises(UsageError, match=r"levels \(0, 1\) must be numbers from 1 on"):
        NearestFeatures((0, 1), "onnx", weights=path, sha256=sha256).check()
    with pytest.raises(UsageError, match="onnx comes without weights: give a file of its own"):
        FixedFeatures((3, 64, 64), (1,), weights=path, kind="onnx")
    with pytest.raises(DataError, match=f"have sha256 {sha256}, not 00"):
        OnnxGraph((1,), Path(path), "00")
    whole = Path(path).read_bytes()
    refused(DataError, "is no ONNX graph that ONNX Runtime loads", b"a picture, perhaps")
    refused(DataError, "is no ONNX graph that ONNX Runtime loads", b"")
    refused(DataError, r"is no ONNX graph that ONNX Runtime loads \(it ends too soon\)", whole[:-3])
    Path(path).unlink()
    with pytest.raises(DataError, match=r"cannot read the weights .*: No such file"):
        OnnxGraph((1,), Path(path), sha256)


def test_what_fails_while_it_runs_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sha256 = written(tmp_path / "body.onnx", ("n", 3, 64, 64))
    with pytest.raises(DataError, match=r"does not take images of 32 by 64 pixels \(.*\)$"):
        OnnxGraph((1,), Path(path), sha256)(IMAGES[:, :, :32, :64])
    monkeypatch.setattr(onnx_graph, "MEMORY_BYTES", 2**14)
    with pytest.raises(
        ShortageError,
        match=r"image of 64 by 64 pixels in the network .* needs more memory than there is \(it asks for more",
    ):
        OnnxGraph((1,), Path(path), sha256)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install onnxruntime, or 'hizumi\[export\]'"):
        OnnxGraph((1,), Path(path), sha256)


def test_a_bundle_whose_graph_is_another_is_refused(tmp_path: Path) -> None:
    path, sha256 = written(tmp_path / "body.onnx")
    detector = NearestFeatures((2,), "onnx", None, memory=9, candidates=9, weights=path, sha256=sha256)
    images = np.random.default_rng(0).integers(0, 256, (24, 48, 48), np.uint8)
    inspector = Inspector(detector, image_size=48, false_alarm_rate=0.2).fit(images)
    graph = inspector.detector_.get_submodule("features.network").get_buffer("graph")
    graph[-1] += 1
    with pytest.raises((BundleError, DataError), match=f"hold no file of sha256 {sha256}, which body.onnx had"):
        load(save(inspector, tmp_path / "parts.hizumi"))

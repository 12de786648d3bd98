"""Graphs made to take all memory or time: refused in one line, before any of it is taken."""

import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hizumi import runtime
from hizumi.calibration import Verdict
from hizumi.errors import BundleError, ShortageError
from hizumi.export import export
from hizumi.export.footprint import LEAST_BYTES
from hizumi.inspection import Inspector
from hizumi.memory import peak_memory
from hizumi.preprocessing.batching import in_batches
from hizumi.preprocessing.reading import Piece
from hizumi.runtime.engines import refuse_unusual, start

from .crafted import read, sealed
from .test_earlier import BUNDLES, images

onnx = pytest.importorskip("onnx", reason="makes graphs")
pytest.importorskip("onnxruntime", reason="exported bundles run in ONNX Runtime")

MANY = 250_000_000  # four bytes each
EXPORTED = BUNDLES / "mahalanobis.onnx.hizumi"
KINDS = (
    "Expand", "Expand of items", "ConstantOfShape", "Tile", "Range", "RandomUniform", "outer product", "broadcast",
    "doubled", "Pad", "OneHot",
)  # fmt: skip


def node(kind: str, *inputs: str, output: str = "huge", **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, list(inputs), [output], **attributes)


def number(value: Any, dtype: str = "int64", *, name: str = "k") -> Any:
    return onnx.numpy_helper.from_array(np.array(value, dtype), name)


def large(count: int) -> dict[str, tuple[list[Any], list[Any]]]:
    """Nodes and constants that each make so many numbers, or nearly."""
    side, doublings = math.isqrt(count), count.bit_length()
    one, sides = number([[1.0]], "float32", name="one"), number([side, 1])
    column = [node("Expand", "one", "k", output="a"), node("Transpose", "a", output="b", perm=[1, 0])]
    doubled = [node("Concat", name, name, output=f"two{n}", axis=0) for n, name in enumerate(names(doublings))]
    return {
        "Expand": ([node("Expand", "one", "k")], [one, number([count, 1])]),
        "Expand of items": ([node("Expand", "honest", "k")], [number([count, 1])]),
        "ConstantOfShape": ([node("ConstantOfShape", "k")], [number([count])]),
        "Tile": ([node("Tile", "one", "k")], [one, number([count, 1])]),
        "Range": ([node("Range", "k", "n", "l")], [number(0), number(count, name="n"), number(1, name="l")]),
        "RandomUniform": ([node("RandomUniform", shape=[count])], []),
        "outer product": ([*column, node("MatMul", "a", "b")], [one, sides]),
        "broadcast": ([*column, node("Add", "a", "b")], [one, sides]),
        "doubled": ([*doubled, node("Identity", f"two{doublings - 1}")], [one]),
        "Pad": ([node("Pad", "one", "k")], [one, number([0, 0, count, 0])]),
        "OneHot": ([node("OneHot", "i", "k", "v")], [number([0], name="i"), number(count), number([0, 1], name="v")]),
    }


def names(count: int) -> list[str]:
    return ["one", *(f"two{n}" for n in range(count - 1))]


def with_more(nodes: list[Any], constants: list[Any]) -> bytes:
    """The bundle with a graph whose score also waits for what these nodes make."""
    header, members = read(EXPORTED)
    model = onnx.load_from_string(members["graph.onnx"])
    score = next(each for each in model.graph.node if "score" in each.output)
    score.output[list(score.output).index("score")] = "honest"
    kind = model.graph.output[0].type.tensor_type.elem_type
    added = [
        *nodes,
        node("ReduceMax", "huge", output="most", keepdims=0),
        node("Cast", "most", output="cast", to=kind),
        node("Mul", "cast", "nought", output="none"),
        node("Add", "honest", "none", output="score"),
    ]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind).name
    place = list(model.graph.node).index(score) + 1
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*rest[:place], *added, *rest[place:]])
    model.graph.initializer.extend([*constants, number(0, dtype, name="nought")])
    return sealed(header, json.loads(members[header]), members | {"graph.onnx": model.SerializeToString()})


def scores(path: Path) -> list[float]:
    return [verdict.score for verdict in runtime.load(path).inspect_each(images()) if isinstance(verdict, Verdict)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_operation_asks_for_is_bounded(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.hizumi"
    path.write_bytes(with_more(*large(count=100)[kind]))
    assert scores(path) == scores(EXPORTED)  # the graph itself is sound
    path.write_bytes(with_more(*large(count=MANY)[kind]))
    began, most = time.process_time(), peak_memory()
    with pytest.raises(BundleError, match=r"^a batch of 1 in its graph asks for more than 200 MiB.*; use an unchanged"):
        scores(path)
    assert time.process_time() - began < 5
    assert peak_memory() - most < 200 * 2**20


def test_no_graph_within_a_graph_and_no_function_is_taken(tmp_path: Path) -> None:
    inner = onnx.helper.make_graph(
        [node("Identity", "one", output="t")], "g", [], [onnx.helper.make_tensor_value_info("t", 1, None)]
    )
    one = number([[1.0]], "float32", name="one")
    branches = node("If", "yes", then_branch=inner, else_branch=inner)
    sparse = onnx.helper.make_sparse_tensor(number([1.0], "float32", name="s"), number([0], name="i"), [MANY])
    cases = {
        "graphs within it": ([branches], [one, number(True, "bool", name="yes")]),
        "sparse tensors": ([node("Constant", sparse_value=sparse)], []),
    }
    for named, (nodes, constants) in cases.items():
        (tmp_path / "x.hizumi").write_bytes(with_more(nodes, constants))
        with pytest.raises(BundleError, match=f"its graph has {named}, which no export has"):
            runtime.load(tmp_path / "x.hizumi")
    model = onnx.load_from_string(read(EXPORTED)[1]["graph.onnx"])
    model.graph.sparse_initializer.append(sparse)
    with pytest.raises(BundleError, match="its graph has sparse tensors"):
        refuse_unusual(model.SerializeToString())
    model.graph.ClearField("sparse_initializer")
    refuse_unusual(model.SerializeToString())
    model.functions.append(onnx.helper.make_function("f", "twice", [], [], [], []))
    with pytest.raises(BundleError, match="its graph has functions of its own"):
        refuse_unusual(model.SerializeToString())
    with pytest.raises(BundleError, match="its graph is cut short"):
        refuse_unusual(model.SerializeToString()[:-3])


def test_a_field_is_found_however_its_number_is_written() -> None:
    model = read(EXPORTED)[1]["graph.onnx"]
    function = onnx.helper.make_function("f", "twice", ["a"], ["b"], [node("Identity", "a", output="b")], [])
    content = function.SerializeToString()
    for tag in (
        b"\xca\x01",
        b"\xca\x81\x00",
        b"\xca\x81\x80\x80\x10",
    ):  # of field 25; padded; with bits that engines drop
        with pytest.raises(BundleError, match=r"its graph (has functions of its own|is cut short)"):
            refuse_unusual(model + tag + bytes([len(content)]) + content)


def test_no_tensor_lies_in_another_file() -> None:
    elsewhere = onnx.TensorProto(name="t", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    elsewhere.external_data.add(key="location", value="secret.bin")
    value = onnx.helper.make_attribute("value", elsewhere)
    values = onnx.helper.make_attribute("values", [elsewhere])
    for attribute in (value, values):
        model = onnx.load_from_string(read(EXPORTED)[1]["graph.onnx"])
        model.graph.node.add(op_type="Constant", output=["t"]).attribute.append(attribute)
        with pytest.raises(BundleError, match="its graph has data in other files"):
            refuse_unusual(model.SerializeToString())


def test_openvino_is_given_nothing_but_its_own_format() -> None:
    graph = read(EXPORTED)[1]["graph.onnx"]
    for content in (graph, b"\n<" + bytes(60) + graph):  # the second begins with a field that is passed over
        with pytest.raises(BundleError, match="its graph is not of OpenVINO"):
            start("openvino", {"graph.xml": content, "graph.bin": b""})


def test_a_graph_is_given_the_memory_that_its_export_took(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    fitted = Inspector("mahalanobis").fit(rows)
    export(fitted, tmp_path / "x.hizumi", rows)
    header, members = read(tmp_path / "x.hizumi")
    statements = json.loads(members[header])
    assert statements["memory_bytes"] == LEAST_BYTES
    statements["memory_bytes"] = 2**40
    (tmp_path / "x.hizumi").write_bytes(sealed(header, statements, members))
    with pytest.raises(BundleError, match=r"memory_bytes.* must be a whole number from 1 to"):
        runtime.load(tmp_path / "x.hizumi")


def test_a_batch_that_its_graph_has_no_memory_for_is_made_smaller() -> None:
    pixels = [onnx.helper.make_tensor_value_info("pixels", 1, ["n", 1000])]
    score = [onnx.helper.make_tensor_value_info("score", 1, ["n"])]
    nodes = [
        node("Tile", "pixels", "k", output="many"),
        node("ReduceMax", "many", "l", output="score", keepdims=0),
    ]
    graph = onnx.helper.make_graph(nodes, "g", pixels, score, [number([1, 1000]), number([1], name="l")])
    opsets = [onnx.helper.make_opsetid("", 20)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    limited = start("onnxruntime", {"graph.onnx": model}, memory_bytes=2**24)  # of four items at most
    items = np.random.default_rng(0).normal(size=(16, 1000)).astype(np.float32)
    with pytest.raises(ShortageError, match="a batch of 16 in its graph asks for more than 16 MiB"):
        limited(items)
    pieces = [Piece(index, str(index), item[None]) for index, item in enumerate(items)]
    found = [outputs["score"] for _, outputs in in_batches(limited, pieces, batch_size=16)]
    assert (np.concatenate(found) == items.max(1)).all()


def in_openvino(result: Callable[[Any, Any], Any]) -> dict[str, bytes]:
    """A sound graph of three columns in OpenVINO's format, whose score also waits for what is made of the items."""
    openvino = pytest.importorskip("openvino")
    operations = openvino.opset13
    items = operations.parameter([-1, 3], np.float32, name="pixels")
    most = operations.reduce_max(result(operations, items), np.array([0, 1]), keep_dims=True)
    added = operations.multiply(operations.convert(most, "f32"), np.float32(0))
    score = operations.add(operations.reduce_sum(items, np.array([1]), keep_dims=True), added)
    score.output(0).set_names({"score"})
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(openvino.Model([score], [items]), f"{folder}/graph.xml", compress_to_fp16=False)
        return {name: Path(folder, name).read_bytes() for name in ("graph.xml", "graph.bin")}


def of_size(operations: Any, items: Any, power: int) -> Any:
    """So many ones as there are items, to this power."""
    count = operations.gather(operations.shape_of(items), np.array([0]), np.int64(0))
    sizes = operations.concat([operations.power(count, np.int64(power)), np.array([1])], 0)
    return operations.broadcast(np.ones((1, 1), np.float32), sizes)


def until(operations: Any, items: Any) -> Any:
    last = operations.convert(operations.reduce_max(items, np.array([0, 1])), "i64")
    return operations.unsqueeze(operations.range(np.int64(0), last, np.int64(1), "i64"), np.array([1]))


HOSTILE: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "constant": (lambda op, _: op.broadcast(np.ones((1, 1), np.float32), np.array([MANY, 1])), "asks for more than"),
    "drawn": (
        lambda op, _: op.random_uniform(np.array([MANY, 1]), np.float32(0), np.float32(1), "f32"),
        "asks for more than",
    ),
    "decided by the items": (until, "a Range whose results may be of any size"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_operations_of_openvino_ask_for_is_bounded(kind: str) -> None:
    result, reason = HOSTILE[kind]
    members, began, most = in_openvino(result), time.process_time(), peak_memory()
    with pytest.raises(BundleError, match=reason):
        start("openvino", members)
    assert time.process_time() - began < 5
    assert peak_memory() - most < 200 * 2**20


def test_batches_that_openvino_has_no_memory_for_are_made_smaller() -> None:
    items = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    limited = start("openvino", in_openvino(lambda op, items: of_size(op, items, 7)))  # 1 GiB of 16, 67 MiB of 11
    with pytest.raises(ShortageError, match="a batch of 16 in its graph asks for more than 200 MiB"):
        limited(items)
    pieces = [Piece(index, str(index), item[None]) for index, item in enumerate(items)]
    found = [outputs["score"] for _, outputs in in_batches(limited, pieces, batch_size=16)]
    np.testing.assert_allclose(np.concatenate(found).ravel(), items.sum(1), rtol=1e-5)

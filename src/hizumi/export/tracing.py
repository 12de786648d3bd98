"""From a graph in torch to ONNX, the verdict included."""

import re
from importlib import import_module
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from hizumi.errors import MissingExtraError, ShortageError, UsageError, is_shortage
from hizumi.export.graph import Graph
from hizumi.export.lowering import LOWERINGS
from hizumi.export.silence import quiet
from hizumi.runtime.limits import THRESHOLD, VERDICT, rounded_down

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20


def traced(graph: Graph) -> "ModelProto":
    """The graph in ONNX, for batches of any size; raises UsageError where torch cannot trace its detector."""
    _refuse_missing()
    incoming, outgoing = graph.ports()
    example = graph.example()
    dynamic = ({0: torch.export.Dim("n")},)
    with torch.no_grad(), quiet("torch.onnx", "torch.__trace"):
        try:
            plain = make_fx(graph, LOWERINGS, tracing_mode="symbolic", _allow_non_fake_inputs=True)(
                _of_any_count(example)
            )
            program = torch.export.export(plain, (example,), dynamic_shapes=dynamic, strict=False)
            converted = torch.onnx.export(
                program,
                input_names=[incoming.name],
                output_names=[port.name for port in outgoing],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except Exception as error:  # torch raises types of its own at each of its steps
            name = type(graph.detector).__name__
            if is_shortage(error):
                raise ShortageError.of(error, f"the export of {name}", "free some") from error
            raise UsageError(f"{name} cannot be exported with these settings: {_reason(error)}") from error
    assert converted is not None, "without a file name, the program is returned"
    return converted.model_proto


def with_verdict(model: "ModelProto", dtype: str, threshold: float) -> "ModelProto":
    """The model with one more output, `anomalous`: whether the score, of this dtype, lies above the threshold."""
    from onnx import ModelProto, TensorProto, helper, numpy_helper

    complete = ModelProto()
    complete.CopyFrom(model)
    complete.graph.initializer.append(numpy_helper.from_array(rounded_down(threshold, dtype), THRESHOLD))
    complete.graph.node.append(helper.make_node("Greater", ["score", THRESHOLD], [VERDICT]))
    complete.graph.output.append(helper.make_tensor_value_info(VERDICT, TensorProto.BOOL, ["n"]))
    return complete


def _reason(error: Exception) -> str:
    """The operation that ONNX does not have, where that is it, or else the error's first line."""
    unknown = re.search(r"No ONNX function found for <OpOverload\(op='([^']+)'", str(error))
    return f"ONNX has no {unknown[1]}" if unknown else str(error).strip().splitlines()[0]


def _of_any_count(example: Tensor) -> Tensor:
    """A stand-in for batches like this one, whose number of items is a symbol and whose other sides are numbers."""
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    sides = [DimDynamic.DYNAMIC, *[DimDynamic.STATIC] * (example.ndim - 1)]
    return mode.from_tensor(example, symbolic_context=StatelessSymbolicContext(dynamic_sizes=sides))


def _refuse_missing() -> None:
    try:
        for package in ("onnx", "onnxscript"):  # torch needs them later, and would say so less plainly
            import_module(package)
    except ImportError as error:
        raise MissingExtraError("export needs more packages: pip install 'hizumi[export]'") from error

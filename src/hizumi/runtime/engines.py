"""What runs a graph: ONNX Runtime or OpenVINO, on the processor."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from hizumi.errors import BundleError, MissingExtraError
from hizumi.shapes import Float, Shaped

EngineName = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
ONNX, XML, WEIGHTS = "graph.onnx", "graph.xml", "graph.bin"


@runtime_checkable
class Engine(Protocol):
    """A loaded graph."""

    def __call__(self, items: Float[np.ndarray, "n ..."]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """All outputs by name."""


class OnnxRuntime:
    """A graph in ONNX Runtime; `threads` is how many compute one operation, None for as many as it chooses."""

    def __init__(self, members: Mapping[str, bytes], threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("this bundle runs in ONNX Runtime: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; they are raised as well
        if threads is not None:
            options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(members[ONNX], options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, items: Float[np.ndarray, "n ..."]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """All outputs by name."""
        return dict(zip(self._outputs, self._session.run(self._outputs, {self._input: items}), strict=True))


class OpenVino:
    """A graph in OpenVINO, in single precision unless it was exported for bfloat16, which it might choose by itself."""

    def __init__(self, members: Mapping[str, bytes], threads: int | None = None, precision: Precision = "fp32") -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("this bundle runs in OpenVINO: pip install openvino") from error
        core = openvino.Core()
        weights = openvino.Tensor(np.frombuffer(members[WEIGHTS], dtype=np.uint8))
        model = core.read_model(model=members[XML], weights=weights)
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        self._outputs = [output.get_any_name() for output in model.outputs]

    def __call__(self, items: Float[np.ndarray, "n ..."]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """All outputs by name."""
        results = self._request.infer([items])
        return {name: np.array(results[index]) for index, name in enumerate(self._outputs)}


def start(
    engine: EngineName, members: Mapping[str, bytes], threads: int | None = None, precision: Precision = "fp32"
) -> Engine:
    """The graph among a bundle's members, ready to run; raises BundleError where the engine does not take it."""
    try:
        return OnnxRuntime(members, threads) if engine == "onnxruntime" else OpenVino(members, threads, precision)
    except MissingExtraError:
        raise
    except Exception as error:  # each engine raises types of its own
        raise BundleError(f"{engine} cannot load its graph ({str(error).splitlines()[0]}); export it again") from error

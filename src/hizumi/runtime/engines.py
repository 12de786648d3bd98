"""What runs a graph: ONNX Runtime or OpenVINO, on the processor."""

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from hizumi.errors import BundleError, MissingExtraError, ShortageError, is_shortage
from hizumi.graphs.graph_bytes import unusual_part
from hizumi.graphs.onnx_session import MemoryLimitError, OnnxSession
from hizumi.shapes import Float, Shaped
from hizumi.storage.files import first_line

EngineName = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
ONNX, XML, WEIGHTS = "graph.onnx", "graph.xml", "graph.bin"
UNSTATED_BYTES = 200 * 2**20  # for a graph of which nothing was measured when it was exported


@runtime_checkable
class Engine(Protocol):
    """A loaded graph."""

    def __call__(self, items: Float[np.ndarray, "n ..."]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """All outputs by name."""


class OnnxRuntime:
    """A graph in ONNX Runtime; `threads` is how many compute one operation, None for as many as it chooses.

    It takes no more than `memory_bytes` beside the file's own, however large what its operations ask for: batches that
    would are a ShortageError, and one item that would is a BundleError.
    """

    def __init__(self, members: Mapping[str, bytes], threads: int | None, memory_bytes: int) -> None:
        self._session = OnnxSession(members[ONNX], threads, memory_bytes)
        self._turn = Lock()  # what the session may take is for one batch at a time

    def __call__(self, items: Float[np.ndarray, "n ..."]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """All outputs by name."""
        with self._turn, _running("onnxruntime"):
            try:
                return self._session(items)
            except MemoryLimitError as error:
                raise _too_large(len(items), self._session.memory_bytes) from error


class OpenVino:
    """A graph in OpenVINO, in single precision unless it was exported for bfloat16, which it might choose by itself.

    Results of its operations that take more than `memory_bytes` together are refused before any is made: for batches
    by a ShortageError, for one item by a BundleError.
    """

    def __init__(
        self, members: Mapping[str, bytes], threads: int | None, precision: Precision, memory_bytes: int
    ) -> None:
        refuse_telemetry()
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("this bundle runs in OpenVINO: pip install openvino") from error
        core = openvino.Core()
        weights = openvino.Tensor(np.frombuffer(members[WEIGHTS], dtype=np.uint8))
        self.memory_bytes = memory_bytes
        self._model = core.read_model(model=members[XML], weights=weights)
        self._affordable: set[int] = set()  # counts of items
        self._refuse_large(1)  # what is constant would be computed while compiling
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._request = core.compile_model(self._model, "CPU", settings).create_infer_request()
        self._turn = Lock()  # of the request, which takes one batch at a time
        self._outputs = [output.get_any_name() for output in self._model.outputs]

    def __call__(self, items: Float[np.ndarray, "n ..."]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """All outputs by name."""
        with self._turn, _running("openvino"):
            if len(items) not in self._affordable:
                self._refuse_large(len(items))
            results = self._request.infer([items])
            return {name: np.array(results[index]) for index, name in enumerate(self._outputs)}

    def _refuse_large(self, count: int) -> None:
        model = self._model.clone()
        model.reshape([count, *model.inputs[0].get_partial_shape()[1:]])
        if sum(map(_result_bytes, model.get_ordered_ops())) > self.memory_bytes:
            raise _too_large(count, self.memory_bytes)
        self._affordable.add(count)


def _too_large(count: int, memory_bytes: int) -> BundleError | ShortageError:
    what = f"a batch of {count} in its graph asks for more than {memory_bytes >> 20:,} MiB"
    if count > 1:
        return ShortageError(f"{what}; give fewer items")
    return BundleError(f"{what}, and its export took less; use an unchanged copy, or export again")


def _result_bytes(operation: Any) -> int:
    """Of an operation of OpenVINO in a graph whose inputs have a fixed size; constants lie in the file."""
    kind, results = operation.get_type_name(), operation.outputs()
    if kind in ("If", "Loop", "TensorIterator") or any(result.get_partial_shape().is_dynamic for result in results):
        raise BundleError(
            f"its graph has a {kind} whose results may be of any size, which no export has; use an unchanged copy"
        )
    if kind == "Constant":
        return 0
    return sum(math.prod(result.get_shape()) * result.get_element_type().size for result in results)


def refuse_telemetry() -> None:
    """Keep OpenVINO from reporting its use over the network; called before it is imported."""
    # Its tools take a None for a package that is not installed, and then report nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # what blocks an import


@contextmanager
def _running(engine: str) -> Iterator[None]:
    try:
        yield
    except (BundleError, ShortageError):
        raise
    except Exception as error:  # each engine raises types of its own
        if is_shortage(error):
            raise ShortageError.of(error, f"a batch in {engine}", "free some, or give smaller images") from error
        raise BundleError(f"{engine} cannot run its graph on these ({_in_short(error)}); export it again") from error


def _in_short(error: Exception) -> str:
    return first_line(error)


def refuse_unusual(model: bytes) -> None:
    """Raise BundleError where a model has data in other files, functions, inner graphs or sparse tensors."""
    try:
        found = unusual_part(model)
    except IndexError:
        raise BundleError("its graph is cut short; use an unchanged copy") from None
    if found is not None:
        raise BundleError(f"its graph has {found}, which no export has; use an unchanged copy")


def start(
    engine: EngineName,
    members: Mapping[str, bytes],
    threads: int | None = None,
    precision: Precision = "fp32",
    memory_bytes: int = UNSTATED_BYTES,
) -> Engine:
    """The graph among a bundle's members, ready to run; raises BundleError where the engine does not take it.

    `memory_bytes` is what it may take for a batch, beside the graph itself: in ONNX Runtime at once, in OpenVINO for
    the results of all operations together.
    """
    if engine == "onnxruntime":
        refuse_unusual(members[ONNX])
    elif not members[XML].startswith(b"<"):  # which no ONNX graph does: OpenVINO would take one, with all it may hold
        raise BundleError("its graph is not of OpenVINO, as the bundle says; use an unchanged copy")
    try:
        if engine == "onnxruntime":
            return OnnxRuntime(members, threads, memory_bytes)
        return OpenVino(members, threads, precision, memory_bytes)
    except (MissingExtraError, BundleError):
        raise
    except Exception as error:  # each engine raises types of its own
        if is_shortage(error):
            raise ShortageError.of(error, f"the graph in {engine}", "free some") from error
        raise BundleError(f"{engine} cannot load its graph ({_in_short(error)}); export it again") from error

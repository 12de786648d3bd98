"""What runs a graph: ONNX Runtime or OpenVINO, on the processor."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from hizumi.errors import BundleError, MissingExtraError, ShortageError, is_shortage
from hizumi.runtime.graph_bytes import OUTSIDE, refuse_unusual
from hizumi.shapes import Float, Shaped
from hizumi.storage.files import printable

EngineName = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
ONNX, XML, WEIGHTS = "graph.onnx", "graph.xml", "graph.bin"
UNSTATED_BYTES = 200 * 2**20  # for a graph of which nothing was measured when it was exported
_LIMITED = Lock()  # the limit is the engine's own until a session has taken it


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
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("this bundle runs in ONNX Runtime: pip install onnxruntime") from error
        self.memory_bytes = memory_bytes
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised, and need not be printed as well
        if threads is not None:
            options.intra_op_num_threads = threads
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry("session.use_env_allocators", "1")
        kind, place = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
        settings = {"max_mem": memory_bytes + 2 * len(members[ONNX]), "arena_extend_strategy": 1}
        with _LIMITED:
            onnxruntime.create_and_register_allocator(
                onnxruntime.OrtMemoryInfo("Cpu", kind, 0, place), onnxruntime.OrtArenaCfg(settings)
            )
            # Constants would be computed while loading, beyond any limit.
            self._session = onnxruntime.InferenceSession(
                members[ONNX], options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
            )
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, items: Float[np.ndarray, "n ..."]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """All outputs by name."""
        with _running("onnxruntime"):
            try:
                return dict(zip(self._outputs, self._session.run(self._outputs, {self._input: items}), strict=True))
            except Exception as error:  # its types are not public
                if "is smaller than requested bytes" not in str(error):
                    raise
                what = f"a batch of {len(items)} in its graph asks for more than {self.memory_bytes >> 20:,} MiB"
                if len(items) > 1:
                    raise ShortageError(f"{what}; give fewer items") from error
                raise BundleError(
                    f"{what}, and its export took less; use an unchanged copy, or export again"
                ) from error


class OpenVino:
    """A graph in OpenVINO, in single precision unless it was exported for bfloat16, which it might choose by itself."""

    def __init__(self, members: Mapping[str, bytes], threads: int | None = None, precision: Precision = "fp32") -> None:
        refuse_telemetry()
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
        with _running("openvino"):
            results = self._request.infer([items])
            return {name: np.array(results[index]) for index, name in enumerate(self._outputs)}


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
    return printable(next(iter(str(error).splitlines()), type(error).__name__))


def start(
    engine: EngineName,
    members: Mapping[str, bytes],
    threads: int | None = None,
    precision: Precision = "fp32",
    memory_bytes: int = UNSTATED_BYTES,
) -> Engine:
    """The graph among a bundle's members, ready to run; raises BundleError where the engine does not take it.

    `memory_bytes` is what ONNX Runtime may take for a batch, beside the graph itself.
    """
    if engine == "onnxruntime":
        refuse_unusual(members[ONNX])
    elif OUTSIDE.search(members[XML]) or not members[XML].lstrip().startswith(b"<"):
        raise BundleError("its graph reads files outside the bundle, which no export does; use an unchanged copy")
    try:
        if engine == "onnxruntime":
            return OnnxRuntime(members, threads, memory_bytes)
        return OpenVino(members, threads, precision)
    except MissingExtraError:
        raise
    except Exception as error:  # each engine raises types of its own
        if is_shortage(error):
            raise ShortageError.of(error, f"the graph in {engine}", "free some") from error
        raise BundleError(f"{engine} cannot load its graph ({_in_short(error)}); export it again") from error

"""A graph in ONNX Runtime, on the processor, within a limit of memory."""

from threading import Lock
from typing import NamedTuple

import numpy as np

from hizumi.errors import MissingExtraError
from hizumi.shapes import Float, Shaped

_LIMITED = Lock()  # the limit is the engine's own until a session has taken it


class MemoryLimitError(Exception):
    """A graph asked for more memory than its session may take; there may be more."""


class Value(NamedTuple):
    """An input or output of a graph, as it is declared."""

    name: str
    shape: tuple[int | str | None, ...]  # sides of any length have a name, or None
    dtype: str  # "tensor(float)"


class OnnxSession:
    """A loaded graph; `threads` compute one operation, None for as many as the engine chooses.

    It takes no more than `memory_bytes` beside the graph's own, however large what its operations ask for: what would
    is a MemoryLimitError. Whatever else the engine raises, while loading or running, is passed on.
    """

    def __init__(self, graph: bytes, threads: int | None, memory_bytes: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(
                "an ONNX graph runs in ONNX Runtime: pip install onnxruntime, or 'hizumi[export]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised, and need not be printed as well
        if threads is not None:
            options.intra_op_num_threads = threads
        # Threads that wait sleep: by default they count as busy and take the cores from whatever else is at work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry("session.use_env_allocators", "1")
        kind, place = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
        settings = {"max_mem": memory_bytes + 2 * len(graph), "arena_extend_strategy": 1}
        with _LIMITED:
            onnxruntime.create_and_register_allocator(
                onnxruntime.OrtMemoryInfo("Cpu", kind, 0, place), onnxruntime.OrtArenaCfg(settings)
            )
            # Constants would be computed while loading, beyond any limit.
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
            )
        self.memory_bytes = memory_bytes
        self.inputs = tuple(Value(each.name, tuple(each.shape), each.type) for each in self._session.get_inputs())
        self.outputs = tuple(Value(each.name, tuple(each.shape), each.type) for each in self._session.get_outputs())

    def __call__(self, items: Float[np.ndarray, "n ..."]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """All outputs by name, of a graph with one input."""
        names = [output.name for output in self.outputs]
        try:
            return dict(zip(names, self._session.run(names, {self.inputs[0].name: items}), strict=True))
        except Exception as error:  # its types are not public
            if "is smaller than requested bytes" not in str(error):
                raise
            raise MemoryLimitError(f"it asks for more than {self.memory_bytes >> 20:,} MiB") from error

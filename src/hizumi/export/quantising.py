"""A graph whose convolutions and matrix products take 8-bit numbers."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hizumi.errors import UsageError
from hizumi.export.silence import quiet

if TYPE_CHECKING:
    from onnx import ModelProto

OPERATIONS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def quantised(model: "ModelProto", batches: Iterable[np.ndarray]) -> "ModelProto":
    """The model in 8 bits, the ranges of its numbers taken from what these batches make them; the rest stays as it is.

    Raises UsageError where it has no such operation in single precision.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        """One batch after the other, as the tool asks for them."""

        def __init__(self) -> None:
            name = model.graph.input[0].name
            self.batches: Iterator[dict[str, np.ndarray]] = ({name: batch} for batch in batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            """The next one, None after the last."""
            return next(self.batches, None)

    inferred = onnx.shape_inference.infer_shapes(model)
    chosen = _in_single_precision(inferred)
    if not chosen:
        raise UsageError("its graph has no convolution or matrix product in single precision that could be int8")
    with tempfile.TemporaryDirectory() as folder, quiet(""):
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(inferred, before)
        quantize_static(
            before,
            after,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATIONS),
            nodes_to_quantize=chosen,
            per_channel=True,
        )
        return onnx.load(after)


def _in_single_precision(model: "ModelProto") -> list[str]:
    from onnx import TensorProto

    values = (*model.graph.value_info, *model.graph.output)
    doubles = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.DOUBLE}
    return [node.name for node in model.graph.node if node.op_type in OPERATIONS and node.output[0] not in doubles]

"""The threshold in an exported graph, which the graph's own verdict compares scores with: read, and replaced."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hizumi.errors import BundleError, MissingExtraError
from hizumi.graphs.graph_bytes import GRAPH, INITIALIZER, fields_of
from hizumi.runtime.engines import ONNX, WEIGHTS, XML, refuse_telemetry
from hizumi.shapes import Shaped

THRESHOLD, VERDICT = "threshold", "anomalous"
NAME, RAW = 8, 9  # fields of onnx.proto: of a tensor


def rounded_down(threshold: float, dtype: str) -> Shaped[np.ndarray, ""]:
    """The largest number of a type that is not above a threshold: exactly the same scores of that type are above it."""
    limit = np.array(threshold, dtype=dtype)
    return np.nextafter(limit, np.array(-np.inf, dtype=dtype)) if limit > threshold else limit


def with_threshold(members: Mapping[str, bytes], dtype: str, threshold: float) -> dict[str, bytes]:
    """A bundle's members, of which the graph compares its scores, of this type, with another threshold.

    Nothing else of the graph changes. Raises BundleError where it has no verdict of its own.
    """
    limit = rounded_down(threshold, dtype)
    return {**members, **(_of_onnx(members[ONNX], limit) if ONNX in members else _of_openvino(members, limit))}


def _of_onnx(model: bytes, limit: Shaped[np.ndarray, ""]) -> dict[str, bytes]:
    # In place, by protobuf's own rules, as the bytes of a number have one length: no package of ONNX is needed.
    changed = bytearray(model)
    for field, graph in fields_of(memoryview(changed)):
        for inner, tensor in fields_of(graph) if field == GRAPH else ():
            if inner != INITIALIZER:
                continue
            parts = dict(fields_of(tensor))
            if bytes(parts.get(NAME, b"")) == THRESHOLD.encode() and len(parts.get(RAW, b"")) == limit.nbytes:
                parts[RAW][:] = limit.astype(limit.dtype.newbyteorder("<")).tobytes()
                return {ONNX: bytes(changed)}
    raise _without_verdict()


def _of_openvino(members: Mapping[str, bytes], limit: Shaped[np.ndarray, ""]) -> dict[str, bytes]:
    refuse_telemetry()
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("this bundle is of OpenVINO: pip install openvino") from error
    weights = openvino.Tensor(np.frombuffer(members[WEIGHTS], dtype=np.uint8))
    model = openvino.Core().read_model(model=members[XML], weights=weights)
    verdicts = [node for node in model.get_ordered_ops() if node.get_friendly_name() == VERDICT]
    if len(verdicts) != 1 or verdicts[0].get_type_name() != "Greater":
        raise _without_verdict()
    constant = openvino.opset1.constant(limit.reshape(1))
    verdicts[0].input(1).replace_source_output(constant.output(0))
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / XML
        openvino.save_model(model, xml, compress_to_fp16=False)
        return {XML: xml.read_bytes(), WEIGHTS: (Path(folder) / WEIGHTS).read_bytes()}


def _without_verdict() -> BundleError:
    return BundleError("its graph has no verdict of its own, as every export has; export it again")

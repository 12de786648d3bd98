"""From ONNX to OpenVINO's own format."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hizumi.errors import MissingExtraError
from hizumi.runtime.engines import WEIGHTS, XML, refuse_telemetry

if TYPE_CHECKING:
    from onnx import ModelProto


def as_openvino(model: "ModelProto") -> dict[str, bytes]:
    """The graph and its weights, in single precision, as members of a bundle."""
    refuse_telemetry()
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("export to OpenVINO needs a package: pip install 'hizumi[openvino]'") from error
    with tempfile.TemporaryDirectory() as folder:
        onnx, xml = Path(folder) / "graph.onnx", Path(folder) / XML
        onnx.write_bytes(model.SerializeToString())
        openvino.save_model(openvino.convert_model(onnx), xml, compress_to_fp16=False)
        return {XML: xml.read_bytes(), WEIGHTS: (Path(folder) / WEIGHTS).read_bytes()}

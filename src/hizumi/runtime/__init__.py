"""Inspection by exported bundles: numpy, Pillow and ONNX Runtime or OpenVINO are all that it needs.

from hizumi.runtime import load

for verdict in load("parts.onnx.hizumi").inspect("photos/of/new/parts"):
    print(verdict.name, verdict.anomalous, verdict.p_value)
"""

from hizumi.runtime.bundle import load as load
from hizumi.runtime.inspector import ExportedInspector as ExportedInspector

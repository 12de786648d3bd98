"""What OpenVINO brings along and must not: a package that reports its use over the network."""

import subprocess
import sys

import pytest

pytest.importorskip("openvino_telemetry", reason="comes with OpenVINO")


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("hizumi.export.openvino", "as_openvino(None)"),
        ("hizumi.runtime.engines", "OpenVino({}, None, 'fp32', 1)"),
        ("hizumi.runtime.limits", "_of_openvino({}, None)"),
    ],
)
def test_openvino_is_imported_without_what_reports_its_use(module: str, call: str) -> None:
    program = (
        "import contextlib, sys\n"
        f"from {module} import {call.partition('(')[0]}\n"
        "with contextlib.suppress(AttributeError, KeyError):\n"  # it has got no graph, which it finds out later
        f"    {call}\n"
        "assert 'openvino' in sys.modules\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

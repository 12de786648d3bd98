"""Ray reports nothing to its makers: a server of ours stands in for theirs, asked every second."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 8

RUN = f"""
import time
from hizumi.scale.cluster import cluster
with cluster("local", 1):
    time.sleep({SECONDS})
"""


@pytest.mark.scale
def test_a_local_cluster_reports_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    class Makers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Makers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Without what the tests set, so that what the product sets is what counts.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT / "src"),
        "RAY_USAGE_STATS_REPORT_URL": f"http://127.0.0.1:{server.server_port}/",
        "RAY_USAGE_STATS_REPORT_INTERVAL_S": "1",
    }
    try:
        command = [sys.executable, "-c", RUN]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    assert asked == []

"""A station never shows what it was told in confidence: not on a terminal, in an answer, an event, a log or a file."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.station.cameras import camera, refusing_camera
from tests.station.receiver import receiving

pytest.importorskip("fastapi", reason="the service needs it: pip install 'hizumi[serve]'")
pytest.importorskip("av", reason="cameras need it: pip install 'hizumi[video]'")

CAMERA, KEY, TOKEN = "p@ss/w0rd of the camera", "the key of the webhook", "t0ken in its address"
FILE = """
[[recipes]]
name = "plates"
bundle = "{bundle}"

[[sources]]
kind = "camera"
name = "sends"
url = "http://127.0.0.1:{sends}/stream"
user = "line"
password_file = "camera.password"
frames_per_second = 2

[[sources]]
kind = "camera"
name = "refuses"
url = "rtsp://127.0.0.1:{refuses}/stream"
user = "line"
password_variable = "CAMERA_PASSWORD"

[[sources]]
kind = "camera"
name = "sends when its query has the password"
url = "http://127.0.0.1:{sends}/stream?user=line&pwd={{password}}"
password_variable = "CAMERA_PASSWORD"
frames_per_second = 2

[[sources]]
kind = "camera"
name = "refuses in its path"
url = "rtsp://127.0.0.1:{refuses}/user=line_password={{password}}"
password_file = "camera.password"

[[sinks]]
kind = "webhook"
url = "{hook}"
secret_file = "webhook.key"

[[sinks]]
kind = "webhook"
name = "known by a token"
url = "{hook}/{{password}}"
password_file = "webhook.token"
secret_file = "webhook.key"

[[sinks]]
kind = "webhook"
name = "refuses"
url = "{gone}/{{password}}"
password_file = "webhook.token"
secret_file = "webhook.key"
"""


def asked(address: str, path: str) -> bytes:
    with urllib.request.urlopen(address + path, timeout=30) as answer:
        return bytes(answer.read(4096) if path == "/events" else answer.read())


def everything_said(address: str) -> dict[str, bytes]:
    """What every route without a parameter in its path answers, once the log and both cameras have said theirs."""
    give_up_at = time.monotonic() + 30
    while True:
        ready = json.loads(asked(address, "/ready"))
        newest = json.loads(asked(address, "/inspections"))["inspections"]
        troubled = "refuses" in ready["delivery_troubles"]
        if troubled and ready["sources"]["refuses"] and ready["sources"]["refuses in its path"] and newest:
            break
        assert time.monotonic() < give_up_at, ready
        time.sleep(0.1)
    paths = json.loads(asked(address, "/openapi.json"))["paths"]
    routes = [path for path, methods in paths.items() if "get" in methods and "{" not in path]
    routes += [f"/inspections/{newest[0]['id']}", "/", "/openapi.json"]
    found = {}
    for route in routes:
        found[route] = asked(address, route + "?recipe=plates" * (route == "/calibration"))
    return found


def test_passwords_are_shown_nowhere(plates: Path, tmp_path: Path) -> None:
    (tmp_path / "camera.password").write_text(CAMERA + "\n")
    (tmp_path / "webhook.key").write_text(KEY + "\n")
    (tmp_path / "webhook.token").write_text(TOKEN + "\n")
    with camera() as sends, refusing_camera() as refuses, receiving() as hook:
        places = {
            "sends": sends.server_port,
            "refuses": refuses.server_address[1],
            "hook": hook.url,
            "gone": "http://127.0.0.1:9",
        }
        (tmp_path / "line.toml").write_text(FILE.format(bundle=plates, **places))
        command = [sys.executable, "-m", "hizumi", "serve", str(tmp_path / "line.toml"), "--port", "0"]
        known = {**os.environ, "PYTHONUNBUFFERED": "1", "CAMERA_PASSWORD": CAMERA}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=known
        ) as station:
            assert station.stdout is not None
            opening = next(line for line in station.stdout if "http://" in line)
            address = re.search(r"http://127\.0\.0\.1:\d+", opening)
            try:
                assert address is not None
                found = everything_said(address[0])
            finally:
                station.send_signal(signal.SIGTERM)
                said = opening + station.stdout.read()
        assert station.returncode == 0, said
        assert hook.requests
        assert sends.asked
        assert refuses.asked, "the password was used, and so was there to be shown"
        in_addresses = quote(CAMERA, safe="")
        assert any(in_addresses in path for path in sends.paths)
        assert f"/hook/{quote(TOKEN)}" in hook.paths
        assert any(in_addresses in line for line in refuses.lines)
    found["the terminal"] = said.encode()
    found |= {f"hook {n}": repr(request).encode() for n, request in enumerate(hook.requests)}
    kept = (tmp_path / "line-station").rglob("*")
    found |= {path.name: path.read_bytes() for path in kept if path.is_file() and path.suffix != ".hizumi"}
    report = [sys.executable, "-m", "hizumi", "station", "report", "line.toml", "-o", "shift.html"]
    subprocess.run(report, cwd=tmp_path, check=True, capture_output=True)
    found["the audit report"] = (tmp_path / "shift.html").read_bytes()
    login = base64.b64encode(f"line:{CAMERA}".encode()).decode()
    forms = [CAMERA, quote(CAMERA, safe=""), quote(CAMERA), login, KEY, json.dumps(CAMERA), TOKEN, quote(TOKEN)]
    shown = [(place, form) for place, content in found.items() for form in forms if form.encode() in content]
    assert shown == []

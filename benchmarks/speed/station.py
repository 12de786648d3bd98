"""A station under load: pictures over HTTP beside the same bundle in the same process, and a plain service around it.

The station's bundle is exported to OpenVINO in fp32, and so is the one that it is compared with in this process. Every
server has a process of its own, whose CPU time the kernel counts; clients are threads of this one, which keep
their connections. The plain service is the one that a page of documentation shows: FastAPI, an upload, Pillow, and a
detector in torch, one picture at a time. The station keeps all that it is sent meanwhile; the others keep nothing.
"""

import http.client
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.speed.measuring import Figure, Report, Setting
from hizumi.detectors import FusedFeatures
from hizumi.export import export
from hizumi.inspection import Inspector, save
from hizumi.station.judging import Judge, Question

SIDE = 512
CLIENTS = (1, 8, 32)
TICKS = os.sysconf("SC_CLK_TCK")
PLAIN = """
import io, sys
import numpy as np, uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image
from hizumi.bundles import load
inspector, app = load(sys.argv[1]), FastAPI()
@app.post("/inspect")
def inspect(picture: UploadFile):
    pixels = np.array(Image.open(io.BytesIO(picture.file.read())))
    return inspector.inspect(pixels[np.newaxis])[0].to_dict()
print("http://127.0.0.1:" + sys.argv[2], flush=True)
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""


class Load(NamedTuple):
    """What a server did under some clients: pictures a second, its CPU for each, and latencies in milliseconds."""

    per_second: float
    cpu_ms: float
    latencies_ms: list[float]

    def quantile(self, share: float) -> float:
        """The latency that this share of pictures stays under."""
        return float(np.quantile(self.latencies_ms, share))


@dataclass(frozen=True)
class Server:
    """A process that listens, and the body that it is sent."""

    process: "subprocess.Popen[str]"
    port: int
    body: bytes
    headers: dict[str, str]

    def under(self, clients: int, pictures: int) -> Load:
        """Send so many pictures by so many clients."""
        latencies: list[float] = []
        left = iter(range(pictures))
        lock = threading.Lock()

        def send() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            while True:
                with lock:
                    if next(left, None) is None:
                        break
                began = time.perf_counter()
                connection.request("POST", "/inspect", self.body, self.headers)
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 200:
                    raise RuntimeError(content.decode())
                latencies.append(1000 * (time.perf_counter() - began))
            connection.close()

        threads = [threading.Thread(target=send) for _ in range(clients)]
        cpu, began = self._cpu_seconds(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        return Load(pictures / seconds, 1000 * (self._cpu_seconds() - cpu) / pictures, latencies)

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def station(setting: Setting) -> Report:
    """One picture over HTTP, many clients, and a plain service."""
    pictures = setting.pick(192, 8)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        (exported, in_torch), picture = _fitted(setting, Path(folder)), _picture(setting, seed=1)
        ours = opened.enter_context(_served("hizumi", exported, Path(folder), picture))
        plain = opened.enter_context(_served("plain", in_torch, Path(folder), picture))
        judge = Judge(exported)
        alone, together, loads, others = [], [], {clients: [] for clients in CLIENTS}, []
        for counts in [False] + [True] * max(setting.rounds // 2, 1):
            found_alone, found_together = _one_by_one(judge, picture, pictures), _batches(judge, picture, pictures)
            found = {clients: ours.under(clients, pictures) for clients in CLIENTS}
            beside = plain.under(CLIENTS[-1], pictures)
            if counts:
                alone.append(found_alone)
                together.append(found_together)
                others.append(beside)
                for clients, load in found.items():
                    loads[clients].append(load)
        judge.close()
    report = Report()
    overhead = np.median([load.cpu_ms for load in loads[1]]) - np.median(alone)
    report.figures.append(
        Figure("a picture over HTTP, more than in the process", float(overhead), "ms of CPU", at_most=5.0)
    )
    many = [load.per_second for load in loads[CLIENTS[-1]]]
    share = float(np.median(np.divide(many, together)))
    report.figures.append(Figure("32 clients, against batches in the process", share, "x", at_least=0.9))
    ratio = float(np.median(np.divide(many, [load.per_second for load in others])))
    report.figures.append(Figure("32 clients, against a plain FastAPI loop around torch", ratio, "x", at_least=3.0))
    for clients in CLIENTS:
        for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            value = float(np.median([load.quantile(part) for load in loads[clients]]))
            report.figures.append(Figure(f"{name} at {clients} client{'s' if clients > 1 else ''}", value, "ms"))
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        value = float(np.median([load.quantile(part) for load in others]))
        report.figures.append(Figure(f"{name} of the plain service at 32 clients", value, "ms"))
    return report


def _fitted(setting: Setting, folder: Path) -> tuple[Path, Path]:
    """The bundle as a station runs it, and as torch does."""
    detector = setting.pick(FusedFeatures(), FusedFeatures((3,), input_size=None, memory=50))
    side = setting.pick(SIDE, 32)
    normal = np.random.default_rng(0).integers(0, 255, (setting.pick(40, 8), side, side, 3), dtype=np.uint8)
    inspector = Inspector(detector, folds=2).fit(normal)
    exported = export(inspector, folder / "station.hizumi", normal, engine="openvino").path
    return exported, save(inspector, folder / "torch.hizumi")


def _picture(setting: Setting, seed: int) -> bytes:
    side = setting.pick(SIDE, 32)
    smooth = np.random.default_rng(seed).integers(0, 255, (side // 8, side // 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(smooth).resize((side, side)).save(file, "PNG")
    return file.getvalue()


def _one_by_one(judge: Judge, picture: bytes, pictures: int) -> float:
    """Milliseconds of CPU for each."""
    began = time.process_time()
    for _ in range(pictures):
        judge.judge(picture, "picture")
    return 1000 * (time.process_time() - began) / pictures


def _batches(judge: Judge, picture: bytes, pictures: int) -> float:
    """Pictures a second."""
    began = time.perf_counter()
    answers = [judge.submit(Question(judge.decode(picture, "picture"), "picture")) for _ in range(pictures)]
    for answer in answers:
        answer.result()
    return pictures / (time.perf_counter() - began)


@contextmanager
def _served(kind: str, bundle: Path, folder: Path, picture: bytes) -> Iterator[Server]:
    if kind == "hizumi":
        command = [sys.executable, "-m", "hizumi", "serve", str(bundle), "--folder", str(folder / "log"), "--port", "0"]
        body, headers = picture, {"Content-Type": "image/png"}
    else:
        command = [sys.executable, "-c", PLAIN, str(bundle), "8765"]
        head = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
        body, headers = head + picture + b"\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                server = Server(process, int(found[1]), body, headers)
                _wait_for(server.port)
                yield server
                break
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def _wait_for(port: int) -> None:
    for _ in range(600):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.connect()
            return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError("a server did not open")

"""Cameras on the loopback that ask for a password, over HTTP and over RTSP."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TypeVar

from PIL import Image


def level(number: int) -> int:
    """The grey level of the frame of that number, far enough from others to survive a codec."""
    return 20 + 10 * number


class Camera(ThreadingHTTPServer):
    """Sends JPEG pictures without end, as cameras do over HTTP, or `count` of them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CameraHandler)
        self.count = 10**6
        self.asked: list[str] = []
        self.paths: list[str] = []
        self.seconds = 0.02


class CameraHandler(BaseHTTPRequestHandler):
    server: Camera

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        if "Authorization" in self.headers:
            self.server.asked.append(self.headers["Authorization"])
        elif "pwd=" not in self.path:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="line"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for number in range(self.server.count):
                content = io.BytesIO()
                Image.new("L", (64, 48), level(number % 20)).save(content, "JPEG")
                picture = content.getvalue()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
                time.sleep(self.server.seconds)
        except OSError:
            return

    def log_message(self, *arguments: object) -> None:
        pass


class RefusingCamera(ThreadingTCPServer):
    """Speaks RTSP and takes nobody's password."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RefusingHandler)
        self.asked: list[str] = []
        self.lines: list[str] = []


class RefusingHandler(StreamRequestHandler):
    server: RefusingCamera

    def handle(self) -> None:
        count = "0"
        for line in self.rfile:
            self.server.lines.append(line.decode().strip())
            name, _, value = self.server.lines[-1].partition(": ")
            if name == "Authorization":
                self.server.asked.append(value)
            elif name == "CSeq":
                count = value
            elif not name:
                head = f'RTSP/1.0 401 Unauthorized\r\nCSeq: {count}\r\nWWW-Authenticate: Basic realm="line"\r\n\r\n'
                self.wfile.write(head.encode())


AnyCamera = TypeVar("AnyCamera", Camera, RefusingCamera)


def camera() -> AbstractContextManager[Camera]:
    """One that sends pictures over HTTP."""
    return _serving(Camera())


def refusing_camera() -> AbstractContextManager[RefusingCamera]:
    """One that is asked over RTSP, in vain."""
    return _serving(RefusingCamera())


@contextmanager
def _serving(made: AnyCamera) -> Iterator[AnyCamera]:
    with made as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            if isinstance(server, Camera):
                server.count = 0
            server.shutdown()
            thread.join()

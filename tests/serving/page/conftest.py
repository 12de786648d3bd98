"""A station in this process and a browser on its page; both are asked for by the tests of this folder alone."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from hizumi.serving.access import Access
from hizumi.serving.app import make_app
from hizumi.station.station import Station
from hizumi.station.station_file import station_of
from tests.station.plates import picture as plate_file, plates_bundle
from tests.station.postgresql import emptied, postgresql

__all__ = ["postgresql"]

SIDE = 64
PATIENCE_MS = 10_000

uvicorn = pytest.importorskip("uvicorn", reason="the service needs it: pip install 'hizumi[serve]'")
playwright = pytest.importorskip("playwright.sync_api", reason="a browser is driven by it: pip install playwright")


@dataclass
class Line:
    """A station at work, and what sends it pictures."""

    address: str
    client: httpx.Client
    station: Station
    loop: asyncio.AbstractEventLoop
    restart: Callable[[Callable[[], object]], None]  # with something to do while it is closed

    def send(self, *, defect: bool = False, name: str = "part.png", seed: int = 1000) -> dict[str, Any]:
        """Have one picture judged."""
        answer = self.client.post("/inspect", files={"picture": (name, plate_file(seed, defect=defect, side=SIDE))})
        answer.raise_for_status()
        entry: dict[str, Any] = answer.json()["inspections"][0]
        assert entry["anomalous"] is defect, entry["reason"]
        return entry


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """Makes pictures of plates, as files."""
    return lambda seed, *, defect: plate_file(seed, defect=defect, side=SIDE)


@pytest.fixture(scope="session")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows good plates."""
    return plates_bundle(tmp_path_factory.mktemp("bundle"), side=SIDE)


@pytest.fixture
def open_line(plates: Path, tmp_path: Path) -> Iterator[Callable[..., Line]]:
    """Opens stations, each in a thread of its own, and closes them in the end."""
    with_thread: dict[int, tuple[threading.Thread, Callable[[], None]]] = {}
    clients: list[httpx.Client] = []

    def end(port: int) -> None:
        thread, stop = with_thread.pop(port)
        stop()
        thread.join()

    def opened(access: Access | None = None, token: str | None = None, database: str | None = None) -> Line:
        settings = replace(station_of(plates, tmp_path / f"station-{len(clients)}"), database=database)
        opened_at: dict[int, tuple[Station, asyncio.AbstractEventLoop]] = {}

        def start(port: int) -> int:
            listener = socket.create_server(("127.0.0.1", port))
            ready: Future[_Opened] = Future()
            thread = threading.Thread(target=_served, args=(settings, access, listener, ready))
            thread.start()
            port = listener.getsockname()[1]
            station, loop, stop = ready.result(30)
            with_thread[port] = (thread, stop)
            opened_at[port] = (station, loop)
            return port

        def restart(meanwhile: Callable[[], object]) -> None:
            end(port)
            meanwhile()
            start(port)

        port = start(0)
        address = f"http://127.0.0.1:{port}"
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        clients.append(httpx.Client(base_url=address, headers=headers, timeout=30))
        return Line(address, clients[-1], *opened_at[port], restart)

    yield opened
    for client in clients:
        client.close()
    for port in list(with_thread):
        end(port)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest) -> str | None:
    """URL of an empty database; None: SQLite in the station's folder."""
    return None if request.param == "sqlite" else emptied(request.getfixturevalue("postgresql"))


@pytest.fixture
def line(open_line: Callable[..., Line], database: str | None) -> Line:
    """A station without tokens."""
    return open_line(database=database)


_Opened = tuple[Station, asyncio.AbstractEventLoop, Callable[[], None]]


def _served(settings: Any, access: Access | None, listener: socket.socket, ready: "Future[_Opened]") -> None:
    async def run() -> None:
        station, loop = Station.open(settings), asyncio.get_running_loop()
        station.start()
        config = uvicorn.Config(make_app(station, access), log_level="warning", lifespan="off", ws="none")
        server = uvicorn.Server(config)

        async def close() -> None:
            await station.close()
            server.should_exit = True

        ready.set_result((station, loop, lambda: loop.call_soon_threadsafe(lambda: loop.create_task(close())) and None))
        await server.serve([listener])
        station.log.close()  # answers that came after the first close have opened it again

    asyncio.run(run())


@pytest.fixture(scope="module")  # while it drives a browser, no other test can run an event loop of its own
def chromium() -> Iterator[Any]:
    """Debian's browser, without a window."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("the page's tests need a browser: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--js-flags=--expose-gc"])
        yield browser
        browser.close()


@dataclass
class Watched:
    """A tab, with all that went wrong in it, and every host that it asked."""

    tab: Any
    troubles: list[str]
    hosts: set[str]

    def open(self, address: str) -> Any:
        """The tab, once it shows an address."""
        self.tab.goto(address)
        self.tab.wait_for_selector("header nav")
        return self.tab


@pytest.fixture
def browse(chromium: Any) -> Iterator[Callable[..., Watched]]:
    """Opens tabs; whatever a tab complains of fails the test in the end."""
    tabs: list[Watched] = []

    def opened(*, language: str = "en-GB", **options: Any) -> Watched:
        context = chromium.new_context(
            locale=language, viewport=options.pop("viewport", {"width": 1366, "height": 768}), **options
        )
        context.set_default_timeout(PATIENCE_MS)
        watched = Watched(context.new_page(), [], set())
        watched.tab.on("console", lambda said: said.type == "error" and watched.troubles.append(said.text))
        watched.tab.on("pageerror", lambda error: watched.troubles.append(str(error)))
        watched.tab.on("request", lambda request: watched.hosts.add(httpx.URL(request.url.removeprefix("blob:")).host))
        tabs.append(watched)
        return watched

    yield opened
    for watched in tabs:
        watched.tab.context.close()
    assert [watched.troubles for watched in tabs if watched.troubles] == []

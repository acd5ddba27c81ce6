"""The real server on a real port, over the tiny network."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import openai
import pytest

from midspan_engine.engine import Engine
from midspan_engine.http.guard import Access
from midspan_engine.http.run import Loaded, create_service, listen, make_http_server
from midspan_engine.http.service import Limits
from midspan_engine.runtime.openvino_runtime import OpenVinoRuntime
from midspan_engine.service.worker import EngineWorker
from midspan_engine.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from midspan_engine.http.run import HttpServer
    from midspan_engine.http.service import Service
    from midspan_engine.models.adapter_file import AdapterArrays

    StartServer = Callable[..., "TinyServer"]

PATIENCE_S = 60.0


@dataclass
class TinyServer:
    """A server in this process, on a thread of its own."""

    port: int
    engine: Engine
    service: Service
    server: HttpServer
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def is_idle(self) -> bool:
        service = self.service
        return not (self.engine.waiting or service.bridge.open_requests or service.picker.busy)

    def stop(self) -> None:
        self.server.stop()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


@pytest.fixture(scope="session")
def tiny_runtime(tiny_folder: Path, tiny_adapter: AdapterArrays) -> OpenVinoRuntime:
    return OpenVinoRuntime(
        tiny_folder, cache_bytes=16 * 1024 * 1024, adapter=tiny_adapter, arithmetic="exact"
    )


@pytest.fixture(scope="session")
def start_server(tiny_runtime: OpenVinoRuntime, tiny_folder: Path) -> Iterator[StartServer]:
    """Start a server; all of a test run share the network, so one runs at a time."""
    servers: list[TinyServer] = []

    def start(limits: Limits | None = None, access: Access | None = None) -> TinyServer:
        for earlier in servers:
            earlier.stop()
            earlier.engine.sessions.forget("")
        servers.clear()
        tokenizer = Tokenizer(tiny_folder / "tokenizer.json")
        # This vocabulary has no mark for turns; any other mark serves.
        tokenizer.turn_start = tokenizer.special.repo_name
        engine = Engine(tiny_runtime, tokenizer)
        servers.append(_start(engine, limits or Limits(), access or Access()))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def _start(engine: Engine, limits: Limits, access: Access) -> TinyServer:
    loaded = Loaded(lambda _progress: engine)
    worker = EngineWorker(loaded, lambda _status: None, "tiny")
    service = create_service(worker, loaded, limits=limits, model="tiny", effort="verified")
    server = make_http_server(service, access, 5.0)
    bound = listen("127.0.0.1", 0)
    port = bound.getsockname()[1]

    def run() -> None:
        asyncio.run(server.serve(sockets=[bound]))
        worker.stop(PATIENCE_S)

    thread = threading.Thread(target=run, name="http")
    worker.start()
    thread.start()
    made = TinyServer(port, engine, service, server, thread)
    made.wait_until(lambda: server.started and worker.status.state == "ready")
    return made


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> TinyServer:
    return start_server()


@pytest.fixture
def web(server: TinyServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def client(server: TinyServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made

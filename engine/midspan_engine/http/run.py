"""Starts the server: one engine, one event loop, and the socket of editors if asked."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import uvicorn
from filelock import FileLock, Timeout

from midspan_engine.http.app import create_app
from midspan_engine.http.bridge import EngineBridge
from midspan_engine.http.guard import Access, is_loopback
from midspan_engine.http.metrics import Metrics
from midspan_engine.http.picker import SessionPicker
from midspan_engine.http.service import Limits, Service
from midspan_engine.protocol import MidspanError
from midspan_engine.service.process import bind_socket, load_engine, prepare_folder
from midspan_engine.service.server import EngineServer
from midspan_engine.service.worker import EngineWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from midspan_engine.engine import Engine
    from midspan_engine.protocol import Effort, EngineStatus
    from midspan_engine.service.process import EngineConfig

_logger = logging.getLogger(__name__)
_STOP_PATIENCE_S = 10.0
_BACKLOG = 512


class NotAllowed(MidspanError):  # noqa: N818  named for what happened
    """The server may not listen there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """How the server runs.

    Attributes:
        engine: As for `midspan engine`; its `socket` is served too where `editors` says so.
        host: Address to listen on.
        port: 0 for any that is free.
        keys: API keys; without one only this machine may be served.
        limits: What one request may take.
        effort: Where a request names none.
        editors: Also serve editors on the engine's socket, if no other engine does.
        drain_s: How long requests in flight may take when the server is told to stop.
    """

    engine: EngineConfig
    host: str = "127.0.0.1"
    port: int = 8078
    keys: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    effort: Effort = "verified"
    editors: bool = False
    drain_s: float = 20.0


class Loaded:
    """Loads the engine on the engine's thread and shows it to the routes."""

    def __init__(self, load: Callable[[Callable[[float, str], None]], Engine]) -> None:
        self._load = load
        self.engine: Engine | None = None
        self.metrics: Metrics | None = None

    def __call__(self, progress: Callable[[float, str], None]) -> Engine:
        """See `EngineWorker`."""
        engine = self._load(progress)
        if self.metrics:
            engine.on_pass = self.metrics.one_pass
        self.engine = engine
        return engine

    def get(self) -> Engine | None:
        """The engine, once it is there."""
        return self.engine

    def waiting(self) -> int:
        """Requests that the engine has not answered yet."""
        return self.engine.waiting if self.engine else 0

    def free_cache(self) -> float:
        """Share of the context cache that nobody holds."""
        pool = self.engine.pool if self.engine else None
        return pool.free_blocks / pool.capacity if pool else 1.0


def create_service(
    worker: EngineWorker, loaded: Loaded, *, limits: Limits, model: str, effort: Effort
) -> Service:
    """Everything that the routes need; `worker` must have been made with `loaded`."""
    bridge = EngineBridge(worker, most=limits.requests, patience_s=limits.patience_s)
    metrics = Metrics(lambda: bridge.open_requests, loaded.waiting, loaded.free_cache)
    loaded.metrics = metrics
    return Service(
        bridge=bridge,
        picker=SessionPicker(max(2 * limits.requests, 64)),
        metrics=metrics,
        limits=limits,
        engine=loaded.get,
        model=model,
        effort=effort,
        created=int(time.time()),
        numbers=itertools.count(1),
    )


class HttpServer(uvicorn.Server):
    """Uvicorn without its own handling of signals: the engine has to be stopped after it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See `_serve`."""
        yield

    def stop(self) -> None:
        """Take no more requests, finish those in flight, then end."""
        self.should_exit = True


def make_http_server(service: Service, access: Access, drain_s: float) -> HttpServer:
    """The server of one application; `serve(sockets=[…])` runs it."""
    return HttpServer(
        uvicorn.Config(
            create_app(service, access),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="off",
            backlog=_BACKLOG,
            timeout_graceful_shutdown=int(drain_s) + 1,
        )
    )


def serve(config: ServeConfig) -> int:
    """Run until told to stop; the exit code.

    Raises:
        NotAllowed: other machines could reach it, and there is no key.
        SocketUnsafe: the folder of the editors' socket cannot be trusted.
        OSError: the address cannot be had.
    """
    if not config.keys and not is_loopback(config.host):
        raise NotAllowed(
            f"{config.host} can be reached by other machines, so an API key is needed: "
            "--api-key-file FILE with one key a line"
        )
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(listen(config.host, config.port))
        editors = _editors_socket(config, stack)
        return asyncio.run(_serve(config, listening, editors))


def listen(host: str, port: int) -> socket.socket:
    """A bound socket.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small pieces at once only where the socket says that it is TCP's: else every
    # answer on a connection that is kept waits 40 ms for the client's delayed acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host.strip("[]"), port))
    except OSError:
        bound.close()
        raise
    return bound


def _editors_socket(config: ServeConfig, stack: contextlib.ExitStack) -> socket.socket | None:
    """The bound socket for editors; None if it is not wanted or another engine serves it."""
    if not config.editors:
        return None
    path = config.engine.socket
    prepare_folder(path.parent)
    try:
        stack.enter_context(FileLock(f"{path}.lock").acquire(timeout=0))
    except Timeout:
        _logger.warning("another engine serves %s; this one serves HTTP only", path)
        return None
    stack.callback(path.unlink, missing_ok=True)
    return stack.enter_context(bind_socket(path))


async def _serve(
    config: ServeConfig, listening: socket.socket, editors: socket.socket | None
) -> int:
    loaded = Loaded(lambda progress: load_engine(config.engine, progress))
    reports: list[Callable[[EngineStatus], None]] = []

    def on_status(status: EngineStatus) -> None:
        for report in reports:
            report(status)

    worker = EngineWorker(loaded, on_status, config.engine.model)
    service = create_service(
        worker, loaded, limits=config.limits, model=config.engine.model, effort=config.effort
    )
    access = Access(config.keys, loopback=is_loopback(config.host))
    server = make_http_server(service, access, config.drain_s)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    socket_server = _socket_server(worker, reports) if editors else None
    host, port = listening.getsockname()[:2]
    _logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    watching = asyncio.ensure_future(_end_with(worker, reports, service, server))
    if socket_server and editors:
        serving_editors = [asyncio.ensure_future(socket_server.run(editors))]  # starts the worker
    else:
        serving_editors = []
        worker.start()
    try:
        await server.serve(sockets=[listening])
    finally:
        watching.cancel()
        if socket_server:
            socket_server.stop()
        await asyncio.gather(*serving_editors, return_exceptions=True)
        finished = await asyncio.to_thread(worker.stop, _STOP_PATIENCE_S)
    if not finished:
        _logger.warning("the engine was still busy after %.0f s and is given up", _STOP_PATIENCE_S)
    return 1 if worker.status.state == "failed" else 0


def _socket_server(
    worker: EngineWorker, reports: list[Callable[[EngineStatus], None]]
) -> EngineServer:
    def worker_of(on_status: Callable[[EngineStatus], None]) -> EngineWorker:
        reports.append(on_status)
        return worker

    return EngineServer(worker_of, idle_s=0)


async def _end_with(
    worker: EngineWorker,
    reports: list[Callable[[EngineStatus], None]],
    service: Service,
    server: HttpServer,
) -> None:
    """End the server when its engine fails: whoever started it can start it again."""
    loop, failed = asyncio.get_running_loop(), asyncio.Event()

    def report(status: EngineStatus) -> None:
        if status.state == "failed":
            loop.call_soon_threadsafe(failed.set)

    reports.append(report)
    if worker.status.state != "failed":
        await failed.wait()
    service.bridge.fail_all(f"the engine failed: {worker.status.message}")
    server.stop()

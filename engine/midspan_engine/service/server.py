"""The socket side of the engine: connections, hello, requests, status, idle exit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from typing import TYPE_CHECKING

import msgspec

from midspan_engine import __version__, protocol
from midspan_engine.protocol import (
    Cancel,
    EditRequest,
    EngineStatus,
    Failure,
    Hello,
    InfillRequest,
    LikelihoodRequest,
    Partial,
    ProtocolMismatch,
    RequestRejected,
    StatusQuery,
    Welcome,
)
from midspan_engine.service.memory import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.engine import Request
    from midspan_engine.protocol import ClientMessage, EngineMessage
    from midspan_engine.service.worker import EngineWorker
    from midspan_engine.turns import Answer

_logger = logging.getLogger(__name__)
_FAILED_STAY_S = 5.0
_MOST_BUFFERED = 4 * 1024 * 1024


class Connection:
    """One client."""

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.writer = writer

    def send(self, message: EngineMessage) -> None:
        """Queue one frame; a client that does not read is dropped rather than buffered for."""
        transport = self.writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > _MOST_BUFFERED:
            _logger.warning("client %d does not read its answers; dropped", self.number)
            transport.abort()
            return
        self.writer.write(protocol.encode(message))


class EngineServer:
    """Serves one `EngineWorker` on a Unix socket.

    Args:
        worker_of: Makes the worker, given where to report its status.
        idle_s: Exit after so long without a request; 0 for never.
    """

    def __init__(
        self, worker_of: Callable[[Callable[[EngineStatus], None]], EngineWorker], *, idle_s: float
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = worker_of(self._status_from_worker)
        self._idle_s = idle_s
        self._connections: dict[int, Connection] = {}
        self._numbers = 0
        self._open_requests = 0
        self._last_request = time.monotonic()
        self._failed_since = time.monotonic()
        self._stopping = asyncio.Event()
        self._draining = False

    async def run(self, bound: socket.socket) -> None:
        """Serve until told to stop, or idle for too long; raises what the engine thread died of.

        Args:
            bound: Unix socket, bound and not yet listening.
        """
        listener = await asyncio.start_unix_server(self._client, sock=bound)
        self._worker.start()
        _logger.info("listening on %s", bound.getsockname())
        try:
            await self._wait_for_end()
        finally:
            listener.close()
            await self._drain()

    def stop(self) -> None:
        """Finish what is in flight and end `run`."""
        self._stopping.set()

    async def _wait_for_end(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=1.0)
            if self._worker.failure is not None:
                raise self._worker.failure
            if self._failed_for() > _FAILED_STAY_S:
                return
            idle = time.monotonic() - self._last_request
            if self._idle_s and not self._open_requests and idle > self._idle_s:
                _logger.info("no request for %.0f s; leaving", idle)
                return

    def _failed_for(self) -> float:
        """Seconds since loading failed. Leaving lets the next request try again."""
        if self._worker.status.state != "failed":
            self._failed_since = time.monotonic()
        return time.monotonic() - self._failed_since

    async def _drain(self) -> None:
        self._draining = True
        self._broadcast(self._status())
        finished = await asyncio.to_thread(self._worker.stop, 10.0)
        if not finished:
            _logger.warning("a request was still running after 10 s and is given up")
        await asyncio.sleep(0)
        for connection in list(self._connections.values()):
            connection.writer.close()
        for connection in list(self._connections.values()):
            with contextlib.suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(connection.writer.wait_closed(), 1.0)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._numbers += 1
        connection = Connection(self._numbers, writer)
        try:
            if not _same_user(writer.get_extra_info("socket")):
                _logger.warning("a connection of another user was refused")
                connection.send(Failure(id=0, code="unauthorized", message="another user's engine"))
                return
            await self._converse(connection, reader)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            _logger.debug("client %d went away", connection.number)
        except ProtocolMismatch as error:
            _logger.warning("client %d: %s", connection.number, error)
            connection.send(Failure(id=0, code="bad_request", message=str(error)))
        finally:
            self._forget(connection)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()

    async def _converse(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        hello = await asyncio.wait_for(_read(reader), 10.0)
        if not isinstance(hello, Hello) or hello.protocol != protocol.PROTOCOL_VERSION:
            raise ProtocolMismatch(
                f"this engine speaks version {protocol.PROTOCOL_VERSION} of the protocol; "
                "update the editor side or restart the engine"
            )
        connection.send(Welcome(engine=__version__, pid=os.getpid()))
        self._connections[connection.number] = connection
        connection.send(self._status())
        while True:
            self._handle(connection, await _read(reader))

    def _handle(self, connection: Connection, message: ClientMessage) -> None:
        match message:
            case InfillRequest() | EditRequest() | LikelihoodRequest():
                self._submit(connection, message)
            case Cancel(id=number):
                self._worker.cancel((connection.number, number))
            case StatusQuery():
                connection.send(self._status())
            case Hello():
                raise ProtocolMismatch("hello was said already")

    def _submit(self, connection: Connection, request: Request) -> None:
        self._last_request = time.monotonic()
        self._open_requests += 1
        own = msgspec.structs.replace(request, session=f"{connection.number}:{request.session}")

        def reply(answer: Answer) -> None:
            self._loop.call_soon_threadsafe(self._answer, connection, request.id, answer)

        self._worker.submit((connection.number, request.id), own, reply)

    def _answer(self, connection: Connection, number: int, answer: Answer) -> None:
        if isinstance(answer, RequestRejected):
            connection.send(Failure(id=number, code=answer.code, message=str(answer)))
        else:
            connection.send(answer)
        if not isinstance(answer, Partial):
            self._open_requests -= 1
            self._last_request = time.monotonic()

    def _forget(self, connection: Connection) -> None:
        if self._connections.pop(connection.number, None) is not None:
            self._worker.cancel_all(connection.number)

    def _status(self) -> EngineStatus:
        status = self._worker.status
        if self._draining:
            status = msgspec.structs.replace(status, state="stopping")
        return msgspec.structs.replace(
            status,
            sessions=len(self._connections),
            queued=self._open_requests,
            resident_bytes=resident_bytes(),
        )

    def _status_from_worker(self, _status: EngineStatus) -> None:
        self._loop.call_soon_threadsafe(lambda: self._broadcast(self._status()))

    def _broadcast(self, status: EngineStatus) -> None:
        for connection in self._connections.values():
            connection.send(status)


async def _read(reader: asyncio.StreamReader) -> ClientMessage:
    length = protocol.frame_length(await reader.readexactly(4))
    return protocol.decode_client(await reader.readexactly(length))


def _same_user(peer: socket.socket) -> bool:
    """Whether the other end runs as us; the socket's mode and folder are the first guard."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    size = struct.calcsize("3i")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _pid, user, _group = struct.unpack("3i", credentials)
    return bool(user == os.getuid())

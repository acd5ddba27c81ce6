"""The engine as the Language Server sees it; `EngineClient` reaches it over a Unix socket."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol

from midspan_engine.protocol import (
    EngineStatus,
    EngineUnavailable,
    MidspanError,
    ProtocolMismatch,
)
from midspan_server.engine_connection import EngineConnection, open_connection
from midspan_server.status import State, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.protocol import (
        Edited,
        EditRequest,
        EngineState,
        Infill,
        InfillRequest,
        LikelihoodRequest,
        Likelihoods,
    )
    from midspan_server.engine_launcher import EngineLauncher

_log = logging.getLogger(__name__)

_FIRST_RETRY_S = 0.5
# An engine that starts well and cannot load its model costs seconds of work each time.
_FIRST_RETRY_OF_MODEL_S = 10.0
_LAST_RETRY_S = 60.0
_FIRST_POLL_S = 0.05
_LAST_POLL_S = 0.5
_STATES: dict[EngineState, State] = {
    "loading": "loading",
    "ready": "ready",
    "failed": "failed",
    "stopping": "stopped",
}


class Engine(Protocol):
    """Whoever fills holes."""

    async def infill(
        self, request: InfillRequest, on_partial: Callable[[str], None] | None = None
    ) -> Infill | None:
        """Return the filled hole; None when cancelled, overtaken, or lost with the engine.

        Cancelling the coroutine cancels the request in the engine. `on_partial` receives the text
        committed so far, where the request asks for a stream.

        Raises:
            EngineUnavailable: there is no engine and it cannot be started.
            RequestRejected: the engine refused the request.
        """
        ...


class Rewriter(Protocol):
    """Whoever rewrites regions."""

    async def edit(self, request: EditRequest) -> Edited | None:
        """Return what a region should become; None, cancelling and errors as in `Engine.infill`.

        That nothing is to change is an answer: `Edited.finish` says so.
        """
        ...

    async def likelihoods(self, request: LikelihoodRequest) -> Likelihoods | None:
        """Return what became unlikely; None, cancelling and errors as in `Engine.infill`."""
        ...


class EngineClient:
    """One connection to the user's engine, opened when needed and opened again when lost.

    The first request connects, starts the engine if nobody answers, and waits while it loads. When
    the engine goes away, the requests under way resolve to None and the next one connects again;
    repeated failures are tried again after a growing pause only.
    """

    def __init__(
        self,
        socket: Path,
        *,
        launcher: EngineLauncher | None,
        on_status: Callable[[Status], None],
        start_timeout_s: float = 120.0,
    ) -> None:
        """Take the address; `launcher` None means that the engine is never started from here."""
        self._socket = socket
        self._launcher = launcher
        self._on_status = on_status
        self._start_timeout_s = start_timeout_s
        self._connection: EngineConnection | None = None
        self._connecting: asyncio.Task[EngineConnection] | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._last_failure = ""

    async def infill(
        self, request: InfillRequest, on_partial: Callable[[str], None] | None = None
    ) -> Infill | None:
        """See `Engine.infill`."""
        connection = await self._ready()
        return await connection.infill(request, on_partial) if connection else None

    async def edit(self, request: EditRequest) -> Edited | None:
        """See `Rewriter.edit`."""
        connection = await self._ready()
        return await connection.edit(request) if connection else None

    async def likelihoods(self, request: LikelihoodRequest) -> Likelihoods | None:
        """See `Rewriter.likelihoods`."""
        connection = await self._ready()
        return await connection.likelihoods(request) if connection else None

    async def connect(self) -> EngineConnection:
        """Return the open connection, making one if there is none. The model may load still.

        Raises:
            EngineUnavailable: there is no engine and it cannot be started.
        """
        if self._connection is not None and self._connection.takes_requests:
            return self._connection
        if self._connecting is None:
            if time.monotonic() < self._retry_at:
                raise EngineUnavailable(self._last_failure)
            self._connecting = asyncio.ensure_future(self._open())
            self._connecting.add_done_callback(self._on_connected)
        # Requests come and go with keystrokes; the connection they began is for all of them.
        return await asyncio.shield(self._connecting)

    def try_again(self) -> None:
        """Do not wait any longer after a failure: the user asks, and may have mended it."""
        self._retry_at = 0.0

    async def close(self) -> None:
        """Close the connection; the engine goes on for others until it has been idle."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            await self._connection.close()

    async def _ready(self) -> EngineConnection | None:
        """A connection whose engine has loaded; None where it was lost meanwhile."""
        connection = await self.connect()
        return connection if await connection.wait_until_ready(self._start_timeout_s) else None

    def _on_connected(self, task: asyncio.Task[EngineConnection]) -> None:
        self._connecting = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._connection = task.result()
            return
        message = str(error) if isinstance(error, MidspanError) else f"{error!r}"
        self._note_failure(message)
        self._on_status(Status(state="failed", message=message))

    def _note_failure(self, message: str, first_pause_s: float = _FIRST_RETRY_S) -> None:
        pause_s = min(first_pause_s * 2**self._failures, _LAST_RETRY_S)
        self._failures += 1
        self._retry_at = time.monotonic() + pause_s
        self._last_failure = message

    async def _open(self) -> EngineConnection:
        deadline = time.monotonic() + self._start_timeout_s
        poll_s = _FIRST_POLL_S
        started = False
        while True:
            try:
                return await open_connection(self._socket, self._on_engine, self._on_lost)
            except (FileNotFoundError, ConnectionRefusedError):
                started = self._start(started=started)
            except OSError as error:
                raise EngineUnavailable(f"the engine's socket cannot be used: {error}") from error
            except ProtocolMismatch as error:
                raise EngineUnavailable(
                    f"what listens on {self._socket} is not this version's engine: {error}"
                ) from error
            if time.monotonic() > deadline:
                raise EngineUnavailable(
                    f"the engine did not answer within {self._start_timeout_s:.0f} s"
                )
            await asyncio.sleep(poll_s)
            poll_s = min(2 * poll_s, _LAST_POLL_S)

    def _start(self, *, started: bool) -> bool:
        if self._launcher is None:
            raise EngineUnavailable(
                "the engine is not running and midspan.engine.autostart is off: "
                "start it with `midspan engine`"
            )
        if not started:
            self._on_status(Status(state="starting", message="starting the engine"))
            self._launcher.start()
        elif failure := self._launcher.failure():
            raise EngineUnavailable(failure)
        else:
            # An engine that was about to end made ours give way; then it is our turn.
            self._launcher.start()
        return True

    def _on_engine(self, status: EngineStatus) -> None:
        if status.state == "ready":
            self._failures = 0
        self._on_status(
            Status(
                state=_STATES[status.state],
                message=status.message,
                progress=status.progress,
                model=status.model,
                note=status.message if status.state == "ready" else "",
            )
        )

    def _on_lost(self, connection: EngineConnection, reason: str) -> None:
        """An engine that ended by itself is no failure; one that broke is tried again later."""
        if self._connection is not connection:
            return
        self._connection = None
        if connection.last_state == "stopping":
            self._on_status(Status(state="stopped", message="the engine ended; it starts on use"))
            return
        _log.warning("the engine was lost: %s", reason)
        if connection.last_state == "failed":
            # Why it failed has been told and is worth more than that it has gone.
            self._note_failure(connection.last_message or reason, _FIRST_RETRY_OF_MODEL_S)
            return
        if connection.last_state != "ready":
            self._note_failure(connection.last_message or reason)
        self._on_status(Status(state="stopped", message=f"the engine was lost: {reason}"))

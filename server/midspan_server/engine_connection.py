"""One connection to the engine: handshake, requests told apart by their id, pushes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from midspan_engine.protocol import (
    PROTOCOL_VERSION,
    Cancel,
    Edited,
    EditRequest,
    EngineMessage,
    EngineStatus,
    EngineUnavailable,
    Failure,
    Hello,
    Infill,
    InfillRequest,
    LikelihoodRequest,
    Likelihoods,
    Partial,
    ProtocolMismatch,
    RequestRejected,
    StatusQuery,
    Welcome,
    decode_engine,
    encode,
    frame_length,
)
from midspan_server.engine_socket import check_folder, check_peer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_Request: TypeAlias = InfillRequest | EditRequest | LikelihoodRequest
_Answer: TypeAlias = Infill | Edited | Likelihoods

_log = logging.getLogger(__name__)

_HANDSHAKE_S = 10.0
_HEADER_BYTES = 4
# How long an answer may take: beyond its budget, and for lack of one.
_BEYOND_BUDGET_S = 10.0
_WITHOUT_BUDGET_S = 60.0
_PER_TOKEN_S = 0.5


class _Pending:
    """A request that waits for its answer."""

    def __init__(self, on_partial: Callable[[str], None] | None) -> None:
        self.on_partial = on_partial
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[_Answer | None] = loop.create_future()


class EngineConnection:
    """An open, greeted connection. Made by `open_connection`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_status: Callable[[EngineStatus], None],
        on_lost: Callable[[EngineConnection, str], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_status = on_status
        self._on_lost = on_lost
        self._pending: dict[int, _Pending] = {}
        self._status: EngineStatus | None = None
        self._changed = asyncio.Event()
        self._closing = False
        self._receiving: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return not self._closing

    @property
    def takes_requests(self) -> bool:
        """Whether the engine will look at a new request."""
        return self.is_open and self.last_state != "stopping"

    @property
    def last_state(self) -> str:
        """State the engine reported last; "" before the first report."""
        return self._status.state if self._status else ""

    @property
    def last_message(self) -> str:
        """What the engine said with it."""
        return self._status.message if self._status else ""

    async def greet(self) -> None:
        """Exchange `Hello` and `Welcome`, then listen.

        Raises:
            EngineUnavailable: the engine hung up, refused us, or did not answer.
            ProtocolMismatch: it speaks another version, or something else altogether.
        """
        self._writer.write(encode(Hello(client="midspan-lsp")))
        try:
            answer = await asyncio.wait_for(self._receive(), _HANDSHAKE_S)
        except TimeoutError as error:
            raise EngineUnavailable("the engine accepted a connection but is silent") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EngineUnavailable("the engine hung up on us") from error
        if isinstance(answer, Failure):
            raise EngineUnavailable(f"the engine refused the connection: {answer.message}")
        if not isinstance(answer, Welcome):
            raise ProtocolMismatch("it did not greet")
        if answer.protocol != PROTOCOL_VERSION:
            raise ProtocolMismatch(
                f"it speaks version {answer.protocol} of the protocol, we {PROTOCOL_VERSION}; "
                f"end process {answer.pid} and try again"
            )
        self._writer.write(encode(StatusQuery()))
        self._receiving = asyncio.ensure_future(self._listen())

    async def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait while the engine loads; return whether it is ready now.

        Raises:
            EngineUnavailable: it failed to load, or `timeout_s` passed.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self.is_open and self.last_state in {"", "loading"}:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise EngineUnavailable("the engine is loading still; try again later") from error
        if self._status is not None and self._status.state == "failed":
            raise EngineUnavailable(self._status.message or "the engine failed to load its model")
        return self.is_open and self.last_state == "ready"

    async def infill(
        self, request: InfillRequest, on_partial: Callable[[str], None] | None
    ) -> Infill | None:
        """See `Engine.infill`. An engine that does not answer in time is hung up on."""
        answer = await self._ask(request, on_partial)
        return answer if isinstance(answer, Infill) and answer.choices else None

    async def edit(self, request: EditRequest) -> Edited | None:
        """See `Rewriter.edit`; otherwise like `infill`."""
        answer = await self._ask(request, None)
        return answer if isinstance(answer, Edited) and answer.finish != "cancelled" else None

    async def likelihoods(self, request: LikelihoodRequest) -> Likelihoods | None:
        """See `Rewriter.likelihoods`; otherwise like `infill`."""
        answer = await self._ask(request, None)
        return answer if isinstance(answer, Likelihoods) and answer.finish != "cancelled" else None

    async def _ask(
        self, request: _Request, on_partial: Callable[[str], None] | None
    ) -> _Answer | None:
        if not self.is_open:
            return None
        patience_s = _patience_s(request)
        pending = self._pending[request.id] = _Pending(on_partial)
        try:
            self._writer.write(_encoded(request))
            async with asyncio.timeout(patience_s):
                return await pending.answer
        except TimeoutError:
            self._lose(f"it did not answer within {patience_s:.0f} s")
            return None
        except asyncio.CancelledError:
            if self.is_open:
                self._writer.write(encode(Cancel(id=request.id)))
            raise
        finally:
            del self._pending[request.id]

    async def close(self) -> None:
        """Hang up; requests under way resolve to None."""
        self._end()
        if self._receiving is not None:
            await asyncio.gather(self._receiving, return_exceptions=True)

    def _lose(self, reason: str) -> None:
        """Note that the engine has gone; once, and not if it was us who hung up."""
        if self.is_open:
            self._end()
            self._on_lost(self, reason)

    def _end(self) -> None:
        self._closing = True
        self._changed.set()
        self._writer.close()
        if self._receiving is not None and self._receiving is not asyncio.current_task():
            self._receiving.cancel()
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_result(None)

    async def _listen(self) -> None:
        reason = "what it said could not be handled"
        try:
            while True:
                self._dispatch(await self._receive())
        except asyncio.IncompleteReadError:
            reason = "it hung up"
        except (OSError, ProtocolMismatch) as error:
            reason = str(error)
        finally:
            # After an error of our own too: nobody reads any more, and whoever waits would hang.
            self._lose(reason)

    async def _receive(self) -> EngineMessage:
        header = await self._reader.readexactly(_HEADER_BYTES)
        return decode_engine(await self._reader.readexactly(frame_length(header)))

    def _dispatch(self, message: EngineMessage) -> None:
        if isinstance(message, EngineStatus):
            if self.last_state == "failed" and message.state == "stopping":
                # It says farewell after a failure, and why it failed is what counts.
                return
            self._status = message
            self._changed.set()
            self._on_status(message)
            return
        if isinstance(message, Welcome):
            _log.warning("the engine greeted twice")
            return
        pending = self._pending.get(message.id)
        if pending is None or pending.answer.done():
            if isinstance(message, Failure):
                _log.warning("the engine refused request %d: %s", message.id, message.message)
            return
        if isinstance(message, Partial):
            if pending.on_partial is not None:
                pending.on_partial(message.text)
        elif isinstance(message, Failure):
            pending.answer.set_exception(RequestRejected(message.code, message.message))
        else:
            pending.answer.set_result(message)


async def open_connection(
    path: Path,
    on_status: Callable[[EngineStatus], None],
    on_lost: Callable[[EngineConnection, str], None],
) -> EngineConnection:
    """Connect to the engine at `path` and greet it.

    Raises:
        FileNotFoundError, ConnectionRefusedError: nobody listens there.
        EngineUnavailable: the place is not to be trusted, or the engine refused us.
        ProtocolMismatch: it speaks another version, or something else altogether.
    """
    check_folder(path)
    reader, writer = await asyncio.open_unix_connection(str(path))
    connection = EngineConnection(reader, writer, on_status, on_lost)
    try:
        check_peer(writer.get_extra_info("socket"))
        await connection.greet()
    except BaseException:
        writer.close()
        raise
    return connection


def _patience_s(request: _Request) -> float:
    if request.budget_ms is not None:
        return request.budget_ms / 1000 + _BEYOND_BUDGET_S
    if isinstance(request, LikelihoodRequest):
        return _WITHOUT_BUDGET_S
    answers = request.n if isinstance(request, InfillRequest) else 1
    return max(_WITHOUT_BUDGET_S, _PER_TOKEN_S * request.max_tokens * answers)


def _encoded(request: _Request) -> bytes:
    """Encode a request. Half a surrogate pair, which no utf-8 can carry, travels as U+FFFD."""
    try:
        return encode(request)
    except UnicodeEncodeError:
        scrubbed = _scrubbed(msgspec.to_builtins(request))
        return encode(msgspec.convert(scrubbed, type(request)))


def _scrubbed(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {key: _scrubbed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_scrubbed(item) for item in value]
    return value

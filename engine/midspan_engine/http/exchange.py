"""Reading bodies, and answering as long as somebody is there to read."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from midspan_engine.http.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Coroutine

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

T = TypeVar("T")
_BODY_PATIENCE_S = 15.0
_MISSING = re.compile(r"missing required field `(.+?)`")
_SSE = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
DONE = b"data: [DONE]\n\n"


class Gone(Exception):  # noqa: N818  named for what happened
    """The client has hung up; there is nobody to answer."""


async def read_body(request: Request, kind: type[T], most_bytes: int) -> T:
    """The body as `kind`.

    Raises:
        ApiError: not JSON, too large, too slow, or a field has the wrong type.
    """
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json":
        # A web page of another site may send any other type without asking first.
        raise ApiError(415, "send the body with Content-Type: application/json")
    data = bytearray()
    try:
        async with asyncio.timeout(_BODY_PATIENCE_S):
            async for piece in request.stream():
                data += piece
                if len(data) > most_bytes:
                    raise ApiError(413, f"the body may have {most_bytes} bytes", code="too_large")
    except TimeoutError:
        raise ApiError(408, "the body took too long to arrive", code="timeout") from None
    except ClientDisconnect:
        raise Gone from None
    return decode(bytes(data), kind)


def decode(data: bytes, kind: type[T]) -> T:
    """JSON as `kind`; the refusal names the field."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        missing = _MISSING.search(message)
        within = path.strip("`.")
        param = ".".join(part for part in (within, missing[1] if missing else "") if part) or None
        raise ApiError(400, f"{within}: {message}" if within else message, param=param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}") from None


async def while_connected(request: Request, work: Coroutine[None, None, T]) -> T:
    """The result of `work`, which is cancelled when the client hangs up.

    The body must have been read.

    Raises:
        Gone: it hung up.
    """
    return await _race(request.receive, work)


async def _race(receive: Receive, work: Awaitable[T]) -> T:
    working = asyncio.ensure_future(work)
    listening = asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Gone
        return working.result()
    finally:
        for task in (working, listening):
            task.cancel()
        # What was cancelled has to clean up first: that frees its place in the engine.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(working, listening, return_exceptions=True)


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Server-sent events.

    Args:
        events: Encoded ones; closed when the client hangs up or does not read.
        first: An event that was taken from `events` to see whether there would be any.
        patience_s: For all of it, a client that does not read included.
    """

    def __init__(
        self, events: AsyncGenerator[bytes, None], first: bytes, *, patience_s: float
    ) -> None:
        super().__init__(headers=_SSE)
        del self.headers["content-length"]
        self._events = events
        self._first = first
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope
        try:
            async with asyncio.timeout(self._patience_s):
                await _race(receive, self._send(send))
        except TimeoutError:
            raise Gone from None
        finally:
            await self._events.aclose()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _piece(send, self._first)
        try:
            async for event in self._events:
                await _piece(send, event)
        except ApiError as error:  # too late for a status
            await _piece(send, b"data: " + error.body() + b"\n\n")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _piece(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def stream_events(
    request: Request, events: AsyncGenerator[bytes, None], *, patience_s: float
) -> EventStream:
    """An answer of events, once the first of them is known: before that it can still be refused.

    Raises:
        ApiError: as the first event's.
        Gone: the client hung up before it.
    """
    try:
        first = await while_connected(request, anext(events))
    except BaseException:
        await events.aclose()
        raise
    return EventStream(events, first, patience_s=patience_s)


def event(answer: msgspec.Struct) -> bytes:
    """One server-sent event."""
    return b"data: " + msgspec.json.encode(answer) + b"\n\n"


def now() -> int:
    """Seconds since 1970, as OpenAI's `created`."""
    return int(time.time())

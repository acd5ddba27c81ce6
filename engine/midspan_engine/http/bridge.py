"""From an event loop to the engine thread and back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING

import msgspec

from midspan_engine.http.errors import RETRY_AFTER_S, ApiError
from midspan_engine.protocol import Likelihoods, Partial, RequestRejected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from midspan_engine.protocol import Edited, EditRequest, Infill, InfillRequest
    from midspan_engine.service.worker import EngineWorker
    from midspan_engine.turns import Answer as EngineAnswer

    Answer = Partial | Infill | Edited | RequestRejected

HTTP_CLIENT = -1
"""Stands where the socket has the number of a connection."""
_GRACE_S = 5.0


class EngineBridge:
    """Asks an `EngineWorker`; to be used from one event loop.

    Args:
        worker: Of the engine.
        most: Requests at a time; more are refused with 429.
        patience_s: The engine answers what it has after so long; a few seconds more and the
            request is given up with 504.
    """

    def __init__(self, worker: EngineWorker, *, most: int, patience_s: float) -> None:
        self.most = most
        self._worker = worker
        self._patience_s = patience_s
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Queue[Answer]] = {}

    @property
    def worker(self) -> EngineWorker:
        """Of the engine."""
        return self._worker

    @property
    def open_requests(self) -> int:
        """Requests that are not answered yet."""
        return len(self._open)

    async def answers(
        self, request: InfillRequest | EditRequest
    ) -> AsyncGenerator[Partial | Infill | Edited, None]:
        """Yield what the engine says, the final answer last. Close it early to cancel.

        Raises:
            ApiError: refused, too late, or the engine is gone.
        """
        number = next(self._numbers)
        key = (HTTP_CLIENT, number)
        incoming = self._open[number] = asyncio.Queue()
        running = True
        try:
            self._submit(key, request, incoming)
            deadline = time.monotonic() + self._patience_s + _GRACE_S
            while running:
                answer = await _next(incoming, deadline)
                running = isinstance(answer, Partial)
                if isinstance(answer, RequestRejected):
                    raise ApiError.rejected(answer.code, str(answer))
                yield answer
        finally:
            del self._open[number]
            if running:
                self._worker.cancel(key)

    def fail_all(self, message: str) -> None:
        """Answer everybody who waits: the engine will not."""
        for incoming in self._open.values():
            incoming.put_nowait(RequestRejected("not_ready", message))

    def admit(self) -> None:
        """See whether there is room for one more request.

        Raises:
            ApiError: there is not, or the engine is not ready.
        """
        if len(self._open) >= self.most:
            raise ApiError(
                429,
                f"{len(self._open)} requests are being served; try again shortly",
                code="queue_full",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        status = self._worker.status
        if status.state != "ready":
            raise ApiError.rejected("not_ready", f"the engine is {status.state}: {status.message}")

    def _submit(
        self,
        key: tuple[int, int],
        request: InfillRequest | EditRequest,
        incoming: asyncio.Queue[Answer],
    ) -> None:
        loop = asyncio.get_running_loop()

        def reply(answer: EngineAnswer) -> None:
            assert not isinstance(answer, Likelihoods)
            with contextlib.suppress(RuntimeError):  # the loop has ended; nobody waits any more
                loop.call_soon_threadsafe(incoming.put_nowait, answer)

        patience_ms = int(self._patience_s * 1e3)
        budget_ms = min(request.budget_ms or patience_ms, patience_ms)
        own = msgspec.structs.replace(request, id=key[1], budget_ms=budget_ms)
        self._worker.submit(key, own, reply)


async def _next(incoming: asyncio.Queue[Answer], deadline: float) -> Answer:
    try:
        return await asyncio.wait_for(incoming.get(), max(deadline - time.monotonic(), 0.0))
    except TimeoutError:
        raise ApiError(504, "the answer took too long", code="timeout") from None

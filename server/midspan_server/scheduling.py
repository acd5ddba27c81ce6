"""Who may ask the engine and when: one running request for each document, and the latest wins.

The rule. While a request runs for a document, a newer one of the same document

* joins it, if all that happened since is typing, and what was typed may be how the answer begins:
  the answer is then cut by what was typed, and no work is thrown away. As soon as the text that the
  engine has committed shows otherwise, or the finished answer does, it stops waiting;
* otherwise ends it and takes its place.

A client that types on cancels its request and makes the next one some milliseconds later. So a
request that nobody waits for is not ended at once: it has `ORPHAN_GRACE_MS` to be joined.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from midspan_server.suggestion_cache import typed_since

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from midspan_server.snapshot import DocumentSnapshot

ORPHAN_GRACE_MS = 60
# Typing at full speed has gaps of 60 to 110 ms; anything quicker is a burst (a repeated key, an
# editor that reports one input as two changes), and what stands before its end is not worth a pass.
_BURST_GAP_MS = 50
_BURST_PAUSE_MS = 30

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A request for suggestions: where, in which text, and whether the user asked by hand."""

    snapshot: DocumentSnapshot
    offset: int
    invoked: bool

    @property
    def document(self) -> str:
        """Key of the document."""
        return self.snapshot.uri


@dataclass(slots=True, eq=False)
class _Running(Generic[_Answer]):
    """A request that the engine works on, and those who wait for it."""

    want: Want
    task: asyncio.Future[_Answer] = field(init=False)
    waiting: int = 0
    committed: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def typed_until(self, want: Want) -> str | None:
        """What was typed between the two requests; None if `want` cannot join."""
        if want.invoked and not self.want.invoked:
            return None
        return typed_since(self.want.snapshot, self.want.offset, want.snapshot, want.offset)

    def may_begin_with(self, typed: str) -> bool:
        return self.committed.startswith(typed) or typed.startswith(self.committed)

    def on_partial(self, text: str) -> None:
        self.committed = text
        self.news.set()


class Scheduler(Generic[_Answer]):
    """Runs requests under the rule of the module."""

    def __init__(self) -> None:
        self._latest: dict[str, Want] = {}
        self._running: dict[str, _Running[_Answer]] = {}
        self._asked_at: dict[str, float] = {}

    def announce(self, want: Want) -> None:
        """Note that `want` is the newest of its document, whoever answers it."""
        self._latest[want.document] = want
        running = self._running.get(want.document)
        if running is not None and running.typed_until(want) is None:
            running.task.cancel()

    def is_latest(self, want: Want) -> bool:
        """Whether nothing newer was announced for the document."""
        return self._latest.get(want.document) is want

    async def joined(self, want: Want) -> bool:
        """Wait for the running request, if `want` can join it.

        Returns:
            Whether it finished while `want` could still begin with what it says; the answer is
            where the request put it. Its errors are raised here.
        """
        running = self._running.get(want.document)
        typed = running.typed_until(want) if running is not None else None
        if running is None or typed is None:
            return False
        running.waiting += 1
        try:
            while not running.task.done() and running.may_begin_with(typed):
                running.news.clear()
                news = asyncio.ensure_future(running.news.wait())
                either: set[asyncio.Future[Any]] = {running.task, news}
                try:
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    news.cancel()
        finally:
            self._leave(running)
        task = running.task
        return task.done() and not task.cancelled() and task.result() is not None

    async def pause(self, want: Want, debounce_ms: int | None) -> bool:
        """Wait until it is worth asking; return whether `want` is still the latest then."""
        now = time.monotonic()
        gap_ms = 1000 * (now - self._asked_at.get(want.document, 0.0))
        self._asked_at[want.document] = now
        if debounce_ms is None:
            debounce_ms = _BURST_PAUSE_MS if gap_ms < _BURST_GAP_MS else 0
        if debounce_ms and not want.invoked:
            await asyncio.sleep(debounce_ms / 1000)
        return self.is_latest(want)

    async def run(
        self, want: Want, ask: Callable[[Callable[[str], None]], Awaitable[_Answer]]
    ) -> _Answer | None:
        """Ask in place of whatever runs for the document; None if a newer request ended it."""
        before = self._running.get(want.document)
        if before is not None:
            before.task.cancel()
        running: _Running[_Answer] = _Running(want)
        running.task = asyncio.ensure_future(ask(running.on_partial))
        running.task.add_done_callback(lambda _: self._finished(running))
        self._running[want.document] = running
        running.waiting += 1
        try:
            await asyncio.wait({running.task})
        finally:
            self._leave(running)
        return None if running.task.cancelled() else running.task.result()

    def forget(self, document: str) -> None:
        """End what runs for a document that was closed."""
        self._latest.pop(document, None)
        self._asked_at.pop(document, None)
        running = self._running.pop(document, None)
        if running is not None:
            running.task.cancel()

    def _leave(self, running: _Running[_Answer]) -> None:
        running.waiting -= 1
        if not running.waiting and not running.task.done():
            loop = asyncio.get_running_loop()
            loop.call_later(ORPHAN_GRACE_MS / 1000, self._end_orphan, running)

    @staticmethod
    def _end_orphan(running: _Running[_Answer]) -> None:
        if not running.waiting:
            running.task.cancel()

    def _finished(self, running: _Running[_Answer]) -> None:
        if self._running.get(running.want.document) is running:
            del self._running[running.want.document]
        if not running.task.cancelled():
            # Retrieved here, so that an error nobody waits for is not reported as forgotten.
            running.task.exception()

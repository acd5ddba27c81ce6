"""One engine as a Ray Serve replica. It speaks ASGI with the front, over Ray."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midspan_engine.scale.live_engine import EngineUnhealthy, LiveEngine
from midspan_engine.scale.settings import read_adapters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.types import ASGIApp, Message

    from midspan_engine.scale.settings import ScaleSettings

_END_S = 5.0
_LEAVE_S = 5.0
"""For an application to notice that nobody listens: the length of a pass at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request with all of its body. `scope` is ASGI's, without what belongs to a process."""

    scope: Mapping[str, Any]
    body: bytes


class EngineReplica:
    """Owns one engine; Ray starts it, asks after its health and ends it."""

    def __init__(self, settings: ScaleSettings) -> None:
        self._settings = settings
        self._live: LiveEngine | None = None

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Load the adapters that `user_config` names; called before the first request too.

        The new engine is loaded beside the old one, so that nobody waits: that takes the memory of
        both for a moment. While this runs, Ray sends the replica no new requests.

        Raises:
            SettingsUnusable: there is something unknown in `user_config`.
            EngineUnhealthy: the engine could not be loaded; the old one goes on.
        """
        live = LiveEngine(self._settings, read_adapters(user_config))
        await live.started()
        before, self._live = self._live, live
        if before:
            await before.retire(self._settings.drain_s)

    def check_health(self) -> None:
        """See whether the engine works.

        Raises:
            EngineUnhealthy: it does not, and Ray replaces this process.
        """
        self._engine().check()

    async def answer(self, asked: Asked) -> AsyncGenerator[list[Message], None]:
        """Yield ASGI's messages of an answer, those together that came together."""
        with self._engine().used() as app:
            async with contextlib.aclosing(serve(app, asked)) as answer:
                async for messages in answer:
                    yield messages

    def __del__(self) -> None:
        """End the engine; Ray calls this once the replica has been drained."""
        if self._live:
            self._live.stop(_END_S)
            self._live = None

    def _engine(self) -> LiveEngine:
        if self._live is None:
            raise EngineUnhealthy("the engine has not been loaded")
        return self._live


async def serve(app: ASGIApp, asked: Asked) -> AsyncGenerator[list[Message], None]:
    """Run `app` for one request; closing the generator hangs up."""
    said: asyncio.Queue[Message | None] = asyncio.Queue()
    gone = asyncio.Event()
    bodies = iter((asked.body,))

    async def receive() -> Message:
        for body in bodies:
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.put_nowait(message)

    running = asyncio.ensure_future(app(dict(asked.scope), receive, send))
    running.add_done_callback(lambda _: said.put_nowait(None))
    together: list[Message] = []
    try:
        while (message := await said.get()) is not None:
            together.append(message)
            if message["type"] != "http.response.start":  # of no use before a body
                yield together
                together = []
        await running
    finally:
        gone.set()
        await asyncio.wait({running}, timeout=_LEAVE_S)
        running.cancel()

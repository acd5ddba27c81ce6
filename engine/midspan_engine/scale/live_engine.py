"""An engine on its thread, with the HTTP application over it, as one thing to start and to end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.http.app import create_app
from midspan_engine.http.guard import Access
from midspan_engine.http.run import Loaded, create_service
from midspan_engine.protocol import MidspanError
from midspan_engine.service.process import load_engine
from midspan_engine.service.worker import EngineWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from midspan_engine.protocol import EngineStatus
    from midspan_engine.scale.settings import AdapterChoice, ScaleSettings

STUCK_AFTER_S = 60.0
"""The longest pass (a full prompt on a slow CPU) takes a few seconds."""


class EngineUnhealthy(MidspanError):  # noqa: N818  named for what is wrong
    """The engine cannot serve any more; its process has to be replaced."""


@dataclass(slots=True)
class Progress:
    """Tells an engine that is slow from one that is stuck.

    Attributes:
        stuck_after_s: Without a pass while requests wait.
    """

    stuck_after_s: float = STUCK_AFTER_S
    _passes: int = 0
    _moved_s: float = 0.0

    def is_stuck(self, *, waiting: int, passes: int, now_s: float) -> bool:
        """Whether nothing moved for too long; to be called every few seconds."""
        if not waiting or passes != self._passes:
            self._passes, self._moved_s = passes, now_s
        return now_s - self._moved_s > self.stuck_after_s


class LiveEngine:
    """Loads on a thread of its own, and serves once `started` has returned.

    Must be made on the event loop that will run its application.
    """

    def __init__(self, settings: ScaleSettings, adapters: AdapterChoice) -> None:
        config = settings.engine(adapters)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._loaded = Loaded(lambda progress: load_engine(config, progress))
        self._worker = EngineWorker(self._loaded, self._on_status, config.model)
        self._service = create_service(
            self._worker,
            self._loaded,
            limits=settings.limits,
            model=config.model,
            effort=settings.effort,
        )
        self._progress = Progress()
        self._passes = 0
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._app = create_app(self._service, Access(loopback=False))  # the front checks keys
        self._worker.start()

    async def started(self) -> None:
        """Wait until the engine serves.

        Raises:
            EngineUnhealthy: it could not be loaded.
        """
        while self._worker.status.state == "loading":
            self._changed.clear()
            await self._changed.wait()
        self.check()
        engine = self._loaded.get()
        assert engine is not None
        measured = self._service.metrics.one_pass

        def on_pass(requests: int, rows: int, seconds: float) -> None:
            self._passes += 1
            measured(requests, rows, seconds)

        engine.on_pass = on_pass

    def check(self) -> None:
        """See whether the engine works.

        Raises:
            EngineUnhealthy: it does not.
        """
        status = self._worker.status
        if status.state != "ready":
            raise EngineUnhealthy(f"the engine is {status.state}: {status.message}")
        waiting = self._service.bridge.open_requests
        now_s = time.monotonic()
        if self._progress.is_stuck(waiting=waiting, passes=self._passes, now_s=now_s):
            raise EngineUnhealthy(f"{waiting} requests wait and no pass has ended for too long")

    @contextlib.contextmanager
    def used(self) -> Iterator[ASGIApp]:
        """The application, for one request."""
        self._users += 1
        self._unused.clear()
        try:
            yield self._app
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def retire(self, patience_s: float) -> None:
        """Stop, once those who use it have their answers."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._unused.wait()
        await asyncio.to_thread(self.stop, patience_s)

    def stop(self, patience_s: float) -> None:
        """Finish what is running and end the thread."""
        self._worker.stop(patience_s)

    def _on_status(self, status: EngineStatus) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)
        if status.state == "failed":
            message = f"the engine failed: {status.message}"
            self._loop.call_soon_threadsafe(self._service.bridge.fail_all, message)

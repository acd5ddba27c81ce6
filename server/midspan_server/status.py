"""What the user is told about the engine: `midspan/status` notifications and `$/progress`."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lsprotocol import types
from pygls.exceptions import JsonRpcException

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

_log = logging.getLogger(__name__)

STATUS_METHOD = "midspan/status"
_PROGRESS_TOKEN = "midspan/engine"  # noqa: S105  a progress token, no secret

State = Literal["stopped", "starting", "loading", "ready", "failed", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the editor shows.

    Attributes:
        state: `off` means: no suggestions here, and `message` says why. `stopped` and `failed` are
            about the engine; `failed` needs the user.
        message: A sentence for people.
        progress: 0..1 while loading.
        model: Name of the model, "" when unknown.
        backend: Who completes, "" for the local engine.
        note: What a person should know about an engine that is ready, said once.
    """

    state: State
    message: str = ""
    progress: float = 0.0
    model: str = ""
    backend: str = ""
    note: str = ""


class StatusReporter:
    """Tells each status once to a client that wants it, and shows a bar while the engine loads."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._engine = Status(state="stopped")
        self._sent: Status | None = None
        self._bar: asyncio.Task[bool] | None = None
        self._is_wanted = False

    def notify_client(self, *, wanted: bool) -> None:
        """Send `midspan/status` or not: only clients that ask for it know what it is."""
        self._is_wanted = wanted
        if self._sent is None and self._engine.state != "stopped":
            self._tell(self._engine)

    @property
    def engine(self) -> Status:
        """The engine's last status."""
        return self._engine

    def engine_is(self, status: Status) -> None:
        """Note and tell what the engine is doing."""
        if status.state == "failed" and status != self._engine:
            _log.error("%s", status.message)
        self._engine = status
        self._tell(status)
        self._show_progress(status)

    def off_here(self, reason: str) -> None:
        """Tell that there are no suggestions at this place, and why."""
        self._tell(dataclasses.replace(self._engine, state="off", message=reason, progress=0.0))

    def on_here(self) -> None:
        """Tell that suggestions are possible at this place."""
        self._tell(self._engine)

    def _tell(self, status: Status) -> None:
        if not self._is_wanted or status == self._sent:
            return
        self._sent = status
        self._server.protocol.notify(
            STATUS_METHOD,
            {
                "state": status.state,
                "message": status.message,
                "progress": status.progress,
                "model": status.model,
                "backend": status.backend,
            },
        )

    def _show_progress(self, status: Status) -> None:
        busy = status.state in {"starting", "loading"}
        if busy and self._bar is None and self._client_shows_progress():
            self._bar = asyncio.ensure_future(self._begin())
        elif busy and self._bar is not None and self._bar_is_there():
            report = types.WorkDoneProgressReport(
                message=status.message, percentage=round(100 * status.progress)
            )
            self._server.work_done_progress.report(_PROGRESS_TOKEN, report)
        elif not busy and self._bar is not None:
            bar, self._bar = self._bar, None
            bar.add_done_callback(lambda _: self._end(bar, status))

    def _bar_is_there(self) -> bool:
        return self._bar is not None and self._bar.done() and self._bar.result()

    def _client_shows_progress(self) -> bool:
        window = self._server.client_capabilities.window
        return bool(window and window.work_done_progress)

    async def _begin(self) -> bool:
        progress = self._server.work_done_progress
        try:
            if _PROGRESS_TOKEN not in progress.tokens:
                await progress.create_async(_PROGRESS_TOKEN)
        except JsonRpcException as error:
            _log.info("the client refused a progress bar: %s", error)
            return False
        begin = types.WorkDoneProgressBegin(title="Midspan", message=self._engine.message)
        begin.percentage = round(100 * self._engine.progress)
        progress.begin(_PROGRESS_TOKEN, begin)
        return True

    def _end(self, bar: asyncio.Task[bool], status: Status) -> None:
        if not bar.cancelled() and bar.exception() is None and bar.result():
            end = types.WorkDoneProgressEnd(message=status.message)
            self._server.work_done_progress.end(_PROGRESS_TOKEN, end)

"""`Session`: what one client's handlers share: settings, suggester, engine, status, counters."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from midspan_engine.protocol import (
    EngineUnavailable,
    MidspanError,
    RequestRejected,
    socket_path,
    state_directory,
)
from midspan_server.backends.remote_first import new_backend
from midspan_server.configuration import merged
from midspan_server.counters import Counters, Offer
from midspan_server.decode_statistics import DecodeStatistics
from midspan_server.documents import Documents
from midspan_server.engine_client import EngineClient
from midspan_server.engine_launcher import EngineLauncher
from midspan_server.ignore import IgnoreRules
from midspan_server.next_edit.delivery import Delivery
from midspan_server.next_edit.flow import Ask, Flow
from midspan_server.next_edit.proposals import searched
from midspan_server.next_edit.seeking import Scene
from midspan_server.reading import ReadingRules
from midspan_server.settings import Settings, decode_settings
from midspan_server.status import StatusReporter
from midspan_server.suggester import Suggested, Suggester

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_server.backends.remote_first import Backend
    from midspan_server.history import EditHistory
    from midspan_server.language_server import MidspanServer
    from midspan_server.next_edit.proposals import Offered
    from midspan_server.scheduling import Want
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.status import Status
    from midspan_server.suggestion_cache import Suggestion

_log = logging.getLogger(__name__)

_AFTER_ANSWER_S = 0.02


class Session:
    """Made when the client initializes; ends with the process."""

    def __init__(self, server: MidspanServer, params: types.InitializeParams) -> None:
        self._server = server
        self.capabilities = params.capabilities
        self.settings = Settings()
        self.counters = Counters(state_directory())
        self.statistics = DecodeStatistics()
        self.status = StatusReporter(server)
        self._reading = ReadingRules(IgnoreRules(()))
        self._said: set[str] = set()
        self._initial_options: object = None
        workspace = server.workspace
        encoding = types.PositionEncodingKind(workspace.position_encoding or "utf-16").value
        folders = list(params.workspace_folders or [])
        self.documents = Documents(workspace.root_uri, folders, encoding, self._changed)
        # Who completes, and who does all else; mostly the same.
        self._backend, self._engine = self._new_engines()
        self._is_warm = False
        self._suggester = Suggester(
            engine=lambda: self._backend,
            open_documents=self.documents.by_recency,
            reading=self._reading,
            settings=self.settings,
        )
        self.next_edits = Flow(self._scene, lambda: self._engine)
        self.delivery = Delivery(server, self)

    @property
    def has_inline_completion(self) -> bool:
        """Whether the client draws ghost text itself."""
        document = self.capabilities.text_document
        return bool(document and document.inline_completion)

    def begin(self, initial_options: object) -> None:
        """Use the `initializationOptions`; they stay below what is configured later."""
        self._initial_options = initial_options
        self.configure(None)

    def configure(self, options: object) -> None:
        """Decode and use what the client sent; what cannot be used is told once."""
        options = merged(self._initial_options, options)
        decoded = decode_settings(options)
        for problem in decoded.problems:
            self.say(types.MessageType.Warning, str(problem))
        if decoded.unknown:
            _log.warning("unknown settings: %s", ", ".join(decoded.unknown))
        before, self.settings = self.settings, decoded.settings
        self._reading.use(IgnoreRules(self.documents.roots(), self.settings.exclude))
        self._suggester.use(self.settings)
        self.next_edits.stop()
        self.status.notify_client(wanted=self._wants_status())
        if (before.engine, before.backend) != (self.settings.engine, self.settings.backend):
            old = self._backend
            self._backend, self._engine = self._new_engines()
            self._server.in_background(old.close())
            if self._is_warm and before.backend != self.settings.backend:
                self._server.in_background(self.warm_up())

    def folders_changed(self) -> None:
        """Look for ignore files in the folders that are open now."""
        self._reading.use(IgnoreRules(self.documents.roots(), self.settings.exclude))

    async def warm_up(self) -> None:
        """Connect before the first keystroke, so that the model loads while the user reads."""
        self._is_warm = True
        if not self.settings.enabled:
            return
        try:
            await self._backend.connect()
        except EngineUnavailable as error:
            _log.warning("%s", error)

    async def suggest(self, want: Want) -> tuple[Suggestion, ...]:
        """Return what to offer for `want`; engine errors end here, as status and messages."""
        asked_at = time.monotonic()
        if want.invoked:
            self._backend.try_again()
        try:
            with self.next_edits.giving_way():
                suggested = await self._suggester.suggest(want)
        except MidspanError as error:
            self._explain(error, invoked=want.invoked)
            return ()
        if suggested.reason is not None:
            if not suggested.passing:
                self.status.off_here(suggested.reason)
            return ()
        self.status.on_here()
        self.statistics.note(suggested.suggestions)
        self._count(suggested, want, 1000 * (time.monotonic() - asked_at))
        return suggested.suggestions

    @property
    def history(self) -> EditHistory:
        """What the user changed lately."""
        return self._suggester.history

    async def next_edit(self, ask: Ask) -> tuple[Offered, ...]:
        """Return the edits that follow from what was done last; () too if the text changed."""
        settings = self.settings.next_edit
        if not settings.enabled or not self._suggester.may_read(ask.snapshot):
            return ()
        try:
            offered = await self.next_edits.find(ask, settings)
        except MidspanError as error:
            self._explain(error, invoked=ask.by_hand)
            return ()
        if self.documents.snapshot(ask.snapshot.uri) is not ask.snapshot:
            return ()
        # Not before the answer is on its way.
        loop = asyncio.get_running_loop()
        loop.call_later(_AFTER_ANSWER_S, self.next_edits.look_ahead, offered, settings)
        return offered

    def _scene(self) -> Scene:
        may_read = self._suggester.may_read
        context = self.settings.context
        readable = (one for one, _ in self.documents.by_recency() if may_read(one))
        return Scene(
            history=self.history,
            documents=tuple(searched(self.history, readable)),
            roots=self.documents.roots(),
            snippet_chars=context.snippet_chars if context.snippets else 0,
        )

    def opened(self, uri: str) -> None:
        """Prepare a document that was opened."""
        snapshot = self.documents.snapshot(uri)
        if snapshot is not None:
            self._suggester.opened(snapshot)

    def closed(self, uri: str) -> None:
        """Drop what belongs to a closed document."""
        self._suggester.closed(uri)
        self.next_edits.closed(uri)
        self.delivery.closed(uri)

    def say(self, kind: types.MessageType, message: str) -> None:
        """Show a message to the user, each one once."""
        if message not in self._said:
            self._said.add(message)
            self._server.window_show_message(types.ShowMessageParams(type=kind, message=message))

    def _engine_is(self, status: Status) -> None:
        self.status.engine_is(status)
        if status.note:
            self.say(types.MessageType.Warning, f"Midspan: {status.note}")

    async def end(self) -> None:
        """Hang up; the engine goes on for others."""
        self.next_edits.stop()
        await self._backend.close()

    def _wants_status(self) -> bool:
        experimental = self.capabilities.experimental
        asked = isinstance(experimental, dict) and experimental.get("midspanStatus") is True
        return asked or self.settings.status_notifications

    def _changed(self, before: DocumentSnapshot, after: DocumentSnapshot) -> None:
        self._suggester.changed(before, after)
        self.next_edits.changed(before, after)
        self.delivery.changed(before, after)

    def _new_engines(self) -> tuple[Backend, EngineClient]:
        return new_backend(self.settings.backend, self._new_engine, self._engine_is, self._warn)

    def _new_engine(self, on_status: Callable[[Status], None]) -> EngineClient:
        chosen = self.settings.engine
        socket = Path(chosen.socket).expanduser() if chosen.socket else socket_path()
        launcher = None
        if chosen.autostart:
            launcher = EngineLauncher(
                socket, command=chosen.command, idle_minutes=chosen.idle_minutes
            )
        return EngineClient(
            socket,
            launcher=launcher,
            on_status=on_status,
            start_timeout_s=chosen.start_timeout_s,
        )

    def _warn(self, message: str) -> None:
        self.say(types.MessageType.Warning, f"Midspan: {message}")

    def _explain(self, error: MidspanError, *, invoked: bool) -> None:
        """Translate the engine's refusals, here and nowhere else."""
        if isinstance(error, RequestRejected) and error.code in {"queue_full", "not_ready"}:
            _log.info("the engine is busy: %s", error)
        elif isinstance(error, RequestRejected):
            _log.error("the engine refused a request (%s): %s", error.code, error)
        else:
            _log.info("no engine: %s", error)
        if invoked:
            self._warn(str(error))

    def _count(self, suggested: Suggested, want: Want, latency_ms: float) -> None:
        for suggestion in suggested.suggestions:
            self.counters.offered(
                Offer(
                    id=suggestion.id,
                    language=want.snapshot.language,
                    characters=len(suggestion.text),
                    lines=suggestion.text.count("\n") + 1,
                    confidence=suggestion.confidence,
                    latency_ms=latency_ms,
                    source=suggested.source,
                    invoked=want.invoked,
                )
            )

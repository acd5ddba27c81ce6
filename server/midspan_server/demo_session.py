"""A small editor for the demo: a real client of `midspan lsp` over its standard streams."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

from midspan_engine.protocol import DecodeStats, EngineUnavailable
from midspan_server.decode_statistics import STATISTICS_METHOD
from midspan_server.status import STATUS_METHOD, Status

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from midspan_server.example_project import Unfinished

_COMMAND = (sys.executable, "-m", "midspan_server", "lsp", "--stdio", "--log-level", "error")
# The demo waits for what a slow machine has to say; an editor shows what is there after 2 s.
_OPTIONS = {"budgetMs": None, "statusNotifications": True}
_ANSWER_S = 120.0
_GOODBYE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A suggestion as the editor would show it; `stats` is None if the engine was not asked."""

    text: str
    latency_ms: float
    stats: DecodeStats | None


class DemoEditor(LanguageClient):
    """Opens documents, asks for ghost text, closes them. Made by `demo_editor`."""

    def __init__(self, on_status: Callable[[Status], None]) -> None:
        super().__init__("midspan-demo", "1")
        self._on_status = on_status
        self._settled: asyncio.Future[Status] = asyncio.get_running_loop().create_future()

        def status_came(params: Any) -> None:
            self._status_came(params)

        # pygls marks its handlers, and a bound method cannot be marked.
        self.feature(STATUS_METHOD)(status_came)

    async def begin(self, folder: Path) -> None:
        """Start the server and greet it."""
        await self.start_io(*_COMMAND)
        document = types.TextDocumentClientCapabilities(
            inline_completion=types.InlineCompletionClientCapabilities()
        )
        await self.initialize_async(
            types.InitializeParams(
                capabilities=types.ClientCapabilities(text_document=document),
                root_uri=folder.as_uri(),
                workspace_folders=[types.WorkspaceFolder(folder.as_uri(), folder.name)],
                initialization_options=_OPTIONS,
            )
        )
        self.initialized(types.InitializedParams())

    async def engine_ready(self, timeout_s: float) -> Status:
        """Wait until the engine has loaded its model.

        Raises:
            EngineUnavailable: it failed, or took longer than `timeout_s`.
        """
        try:
            status = await asyncio.wait_for(asyncio.shield(self._settled), timeout_s)
        except TimeoutError as error:
            raise EngineUnavailable(f"the engine was not ready after {timeout_s:.0f} s") from error
        if status.state == "failed":
            raise EngineUnavailable(status.message)
        return status

    def open(self, place: Unfinished) -> None:
        """Open a document."""
        item = types.TextDocumentItem(
            uri=place.path.as_uri(), language_id=place.language, version=1, text=place.text
        )
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def close(self, place: Unfinished) -> None:
        """Close a document."""
        document = types.TextDocumentIdentifier(place.path.as_uri())
        self.text_document_did_close(types.DidCloseTextDocumentParams(document))

    def type_at(self, place: Unfinished, text: str) -> None:
        """Insert `text` at the cursor, as typing does."""
        cursor = types.Position(place.line, place.character)
        document = types.VersionedTextDocumentIdentifier(2, place.path.as_uri())
        change = types.TextDocumentContentChangePartial(
            range=types.Range(cursor, cursor), text=text
        )
        self.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def suggest(self, place: Unfinished, typed: int = 0) -> Shown | None:
        """Ask as an editor does after a keystroke, `typed` characters behind the cursor.

        Raises:
            EngineUnavailable: the server ended, or did not answer.
        """
        params = types.InlineCompletionParams(
            context=types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            text_document=types.TextDocumentIdentifier(place.path.as_uri()),
            position=types.Position(place.line, place.character + typed),
        )
        begun = time.perf_counter()
        answer = await self._answer(self.text_document_inline_completion_async(params))
        latency_ms = 1000 * (time.perf_counter() - begun)
        items = answer.items if isinstance(answer, types.InlineCompletionList) else answer or ()
        for item in items:
            stats = await self._statistics(item)
            return Shown(text=str(item.insert_text), latency_ms=latency_ms, stats=stats)
        return None

    async def server_exit(self, server: Process) -> None:
        """Tell whoever waits; pygls ends the requests that are under way."""
        if not self._settled.done():
            problem = f"the Language Server ended with code {server.returncode}"
            self._settled.set_result(Status(state="failed", message=problem))

    async def quit(self) -> None:
        """Take leave as the protocol has it; a server that does not answer is ended."""
        server = self._server
        if server is not None and server.returncode is None:
            try:
                await asyncio.wait_for(self.shutdown_async(None), _GOODBYE_S)
                self.exit(None)
                await asyncio.wait_for(server.wait(), _GOODBYE_S)
            except (TimeoutError, JsonRpcException, RuntimeError, OSError):
                with suppress(ProcessLookupError):
                    server.terminate()
        await self.stop()  # type: ignore[no-untyped-call]

    def _status_came(self, params: Any) -> None:
        status = Status(
            state=params.state,
            message=params.message,
            progress=params.progress,
            model=params.model,
        )
        self._on_status(status)
        if status.state in {"ready", "failed"} and not self._settled.done():
            self._settled.set_result(status)

    async def _statistics(self, item: types.InlineCompletionItem) -> DecodeStats | None:
        if item.command is None or not item.command.arguments:
            return None
        asked = self.protocol.send_request_async(
            STATISTICS_METHOD, {"id": item.command.arguments[0]}
        )
        answer = await self._answer(asked)
        return None if answer is None else msgspec.convert(answer._asdict(), DecodeStats)

    @staticmethod
    async def _answer(asked: Any) -> Any:
        try:
            return await asyncio.wait_for(asked, _ANSWER_S)
        except TimeoutError as error:
            raise EngineUnavailable(f"no answer within {_ANSWER_S:.0f} s") from error
        except (JsonRpcException, RuntimeError) as error:
            raise EngineUnavailable(f"the Language Server failed: {error}") from error


@asynccontextmanager
async def demo_editor(
    folder: Path, on_status: Callable[[Status], None]
) -> AsyncIterator[DemoEditor]:
    """Start `midspan lsp` for `folder`; it is ended in the end."""
    editor = DemoEditor(on_status)
    try:
        await editor.begin(folder)
        yield editor
    finally:
        await editor.quit()

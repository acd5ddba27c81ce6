"""An editor that speaks to the real `midspan lsp` over its standard streams."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_PATIENCE_S = 20.0


class Editor(LanguageClient):
    """A client with one cursor's worth of convenience."""

    def __init__(self) -> None:
        super().__init__("test-editor", "1")
        self.messages: list[str] = []
        self.statuses: list[dict[str, Any]] = []
        self.bars: list[Any] = []
        self.configuration: object = None
        self.versions: dict[str, int] = {}
        self.stderr = b""
        self.capabilities = types.ServerCapabilities()
        self._news = asyncio.Condition()
        self._listen()

    async def start(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        options: object = None,
        configuration: object = None,
        folder: Path | None = None,
        capabilities: types.ClientCapabilities | None = None,
        python_flags: tuple[str, ...] = (),
    ) -> types.InitializeResult:
        self.configuration = configuration
        command = ("-m", "midspan_server", "lsp", "--stdio", "--log-file", str(log))
        await self.start_io(sys.executable, *python_flags, *command, env=dict(environment))
        result = await self.initialize_async(
            types.InitializeParams(
                capabilities=capabilities or ghost_text_client(),
                root_uri=folder.as_uri() if folder else None,
                workspace_folders=[types.WorkspaceFolder(folder.as_uri(), "it")] if folder else [],
                initialization_options=_with_status(options),
            )
        )
        self.capabilities = result.capabilities
        self.initialized(types.InitializedParams())
        return result

    async def quit(self) -> int:
        """Shut down, exit and return the server's exit code."""
        assert self._server is not None
        if self._server.returncode is None:
            await asyncio.wait_for(self.shutdown_async(None), _PATIENCE_S)
            self.exit(None)
        code = await asyncio.wait_for(self._server.wait(), _PATIENCE_S)
        assert self._server.stderr is not None
        self.stderr = await self._server.stderr.read()
        await self.stop()  # type: ignore[no-untyped-call]
        return code

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    def open(self, uri: str, text: str, language: str = "python") -> None:
        self.versions[uri] = 1
        item = types.TextDocumentItem(uri=uri, language_id=language, version=1, text=text)
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def insert(self, uri: str, line: int, character: int, text: str) -> None:
        self.replace(uri, (line, character), (line, character), text)

    def replace(self, uri: str, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        self.versions[uri] += 1
        change = types.TextDocumentContentChangePartial(
            range=types.Range(types.Position(*start), types.Position(*end)), text=text
        )
        self.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.versions[uri], uri), [change]
            )
        )

    async def suggest(
        self,
        uri: str,
        line: int,
        character: int,
        *,
        invoked: bool = False,
        selected: types.SelectedCompletionInfo | None = None,
    ) -> list[types.InlineCompletionItem]:
        kind = types.InlineCompletionTriggerKind
        params = types.InlineCompletionParams(
            context=types.InlineCompletionContext(
                trigger_kind=kind.Invoked if invoked else kind.Automatic,
                selected_completion_info=selected,
            ),
            text_document=types.TextDocumentIdentifier(uri),
            position=types.Position(line, character),
        )
        answer = await asyncio.wait_for(
            self.text_document_inline_completion_async(params), _PATIENCE_S
        )
        assert isinstance(answer, types.InlineCompletionList)
        return list(answer.items)

    async def texts(self, uri: str, line: int, character: int, **how: Any) -> list[str]:
        return [str(item.insert_text) for item in await self.suggest(uri, line, character, **how)]

    async def until(self, happened: Callable[[], bool], patience_s: float = _PATIENCE_S) -> None:
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(happened), patience_s)

    async def until_state(self, state: str, patience_s: float = _PATIENCE_S) -> dict[str, Any]:
        await self.until(
            lambda: any(status["state"] == state for status in self.statuses), patience_s
        )
        return next(status for status in self.statuses if status["state"] == state)

    def _listen(self) -> None:
        async def message(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)
            await self._notify()

        async def status(params: Any) -> None:
            self.statuses.append(params._asdict())
            await self._notify()

        async def bar(params: types.ProgressParams) -> None:
            self.bars.append(params.value)
            await self._notify()

        def create(_params: types.WorkDoneProgressCreateParams) -> None:
            return None

        def configuration(params: types.ConfigurationParams) -> list[object]:
            return [self.configuration for _ in params.items]

        self.feature(types.WINDOW_SHOW_MESSAGE)(message)
        self.feature("midspan/status")(status)
        self.feature(types.PROGRESS)(bar)
        self.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)(create)
        self.feature(types.WORKSPACE_CONFIGURATION)(configuration)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()


def _with_status(options: object) -> object:
    return {"statusNotifications": True} | options if isinstance(options, dict) else options


def ghost_text_client(
    *encodings: str, progress: bool = False, configuration: bool = False
) -> types.ClientCapabilities:
    """Capabilities of a client that draws ghost text."""
    return types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=list(encodings) or None),
        text_document=types.TextDocumentClientCapabilities(
            inline_completion=types.InlineCompletionClientCapabilities()
        ),
        notebook_document=types.NotebookDocumentClientCapabilities(
            synchronization=types.NotebookDocumentSyncClientCapabilities()
        ),
        window=types.WindowClientCapabilities(work_done_progress=progress),
        workspace=types.WorkspaceClientCapabilities(configuration=configuration),
    )


def popup_client() -> types.ClientCapabilities:
    """Capabilities of a client that has a popup and nothing else."""
    return types.ClientCapabilities(
        text_document=types.TextDocumentClientCapabilities(
            completion=types.CompletionClientCapabilities()
        )
    )

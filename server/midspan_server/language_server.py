"""`MidspanServer`: pygls' server with snapshots for documents and answers to broken requests."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from midspan_engine import __version__

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from pygls.server import ServerErrors
    from pygls.workspace import Workspace

    from midspan_server.session import Session

_log = logging.getLogger(__name__)

_EVERY_NOTEBOOK = types.NotebookDocumentSyncOptions(
    notebook_selector=[
        types.NotebookDocumentFilterWithNotebook(
            notebook="*", cells=[types.NotebookCellLanguage(language="*")]
        )
    ]
)


class MidspanProtocol(LanguageServerProtocol):
    """The protocol with a workspace of ours."""

    _server: MidspanServer

    def adopt(self, workspace: Workspace) -> None:
        """Use `workspace` in place of the one that `initialize` made."""
        self._workspace = workspace

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        """Answer `initialize`, with the capabilities that are ours alone."""
        result = yield from super().lsp_initialize(params)
        session = self._server.session
        if session.settings.enabled and session.settings.next_edit.enabled:
            result.capabilities.experimental = {"midspan": {"nextEdit": True}}
        return result

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Decode a message; a request that cannot be decoded is answered with an error.

        pygls drops such a request, and the client would wait for its answer forever.
        """
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise


class MidspanServer(LanguageServer):
    """The server that `app.create_server` fills with handlers."""

    protocol: MidspanProtocol

    def __init__(self) -> None:
        super().__init__(
            "midspan",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            notebook_document_sync=_EVERY_NOTEBOOK,
            protocol_cls=MidspanProtocol,
        )
        self._session: Session | None = None
        self._background: set[asyncio.Task[None]] = set()

    @property
    def session(self) -> Session:
        """The client's session.

        Raises:
            RuntimeError: the client has not initialized; pygls answers it with an error.
        """
        if self._session is None:
            raise RuntimeError("the client has to send `initialize` first")
        return self._session

    def begin(self, session: Session) -> None:
        """Serve `session` from now on."""
        self._session = session
        self.protocol.adopt(session.documents)

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the handlers; its error, if any, is logged."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background work failed", exc_info=error)

    def report_server_error(self, error: Exception, source: ServerErrors) -> None:
        """Log an error of the transport or of a handler; a popup would help nobody."""
        _log.error("%s: %s", source.__name__, error)

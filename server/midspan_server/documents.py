"""`Documents`: the open documents as immutable snapshots, kept inside pygls' workspace."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lsprotocol import types
from pygls.uris import to_fs_path, urlparse
from pygls.workspace import Workspace

from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = logging.getLogger(__name__)


class Documents(Workspace):
    """A workspace that holds one `DocumentSnapshot` for each open document.

    pygls' own text documents split the whole text at each access (at form feeds too) and cannot be
    kept while a request is under way. Notebooks and folders are pygls' business still: it opens,
    changes and closes their cells through the methods below.
    """

    def __init__(
        self,
        root_uri: str | None,
        folders: list[types.WorkspaceFolder],
        encoding: str,
        on_change: Callable[[DocumentSnapshot, DocumentSnapshot], None],
    ) -> None:
        super().__init__(root_uri, types.TextDocumentSyncKind.Incremental, folders, encoding)
        self.encoding = encoding
        self._on_change = on_change
        self._snapshots: dict[str, DocumentSnapshot] = {}
        self._last_used: dict[str, float] = {}

    def snapshot(self, uri: str) -> DocumentSnapshot | None:
        """Return the current snapshot of an open document, None if it is not open."""
        return self._snapshots.get(unquote(uri))

    def touch(self, uri: str) -> None:
        """Note that the user works in this document now."""
        if unquote(uri) in self._snapshots:
            self._last_used[unquote(uri)] = time.monotonic()

    def by_recency(self) -> Iterator[tuple[DocumentSnapshot, float]]:
        """Yield the open documents and when they were last used (monotonic s), latest first."""
        for key in sorted(self._snapshots, key=self._last_used.__getitem__, reverse=True):
            yield self._snapshots[key], self._last_used[key]

    def roots(self) -> tuple[Path, ...]:
        """Return the workspace's folders that are on this machine."""
        uris = [folder.uri for folder in self.folders.values()]
        if not uris and self.root_uri:
            uris = [self.root_uri]
        return tuple(Path(path) for uri in uris if (path := to_fs_path(uri)))

    def put_text_document(
        self, text_document: types.TextDocumentItem, notebook_uri: str | None = None
    ) -> None:
        """Open a document, or the cell of a notebook."""
        uri = text_document.uri
        if notebook_uri:
            self._cell_in_notebook[unquote(uri)] = unquote(notebook_uri)
        self._snapshots[unquote(uri)] = DocumentSnapshot(
            uri=uri,
            path=_path(notebook_uri or uri),
            version=text_document.version,
            language=str(text_document.language_id or ""),
            text=text_document.text,
        )
        self.touch(uri)

    def update_text_document(
        self,
        text_doc: types.VersionedTextDocumentIdentifier,
        change: types.TextDocumentContentChangeEvent,
    ) -> None:
        """Apply one change; a document that is not open is left alone."""
        before = self.snapshot(text_doc.uri)
        if before is None:
            _log.warning("a change of a document that is not open was ignored")
            return
        start, end = 0, len(before.text)
        if isinstance(change, types.TextDocumentContentChangePartial):
            start = before.offset_at(change.range.start, self.encoding)
            end = before.offset_at(change.range.end, self.encoding)
        after = before.replaced(start, end, change.text, version=text_doc.version)
        self._snapshots[unquote(text_doc.uri)] = after
        self.touch(text_doc.uri)
        try:
            self._on_change(before, after)
        except Exception:  # noqa: BLE001  logged whole
            # pygls applies the changes of one message in a loop: raising here would lose the rest
            # of them, and every position would be wrong from then on.
            _log.exception("a change was applied but not noted")

    def remove_text_document(self, doc_uri: str) -> None:
        """Forget a document."""
        key = unquote(doc_uri)
        self._snapshots.pop(key, None)
        self._last_used.pop(key, None)
        self._cell_in_notebook.pop(key, None)


def _path(uri: str) -> Path | None:
    """Return the file behind `uri`; for a notebook's cell that came alone, the notebook."""
    scheme, _, path, *_ = urlparse(uri)
    if scheme == "vscode-notebook-cell" and path:
        return Path(path)
    on_disk = to_fs_path(uri)
    return Path(on_disk) if on_disk else None

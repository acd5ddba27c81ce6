from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lsprotocol import types

from midspan_server.documents import Documents

if TYPE_CHECKING:
    from midspan_server.snapshot import DocumentSnapshot

URI = "file:///project/a%20b.py"


class Heard:
    """Collects the changes that are reported."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str]] = []

    def __call__(self, before: DocumentSnapshot, after: DocumentSnapshot) -> None:
        self.changes.append((before.text, after.text))


def _documents(heard: Heard | None = None, encoding: str = "utf-16") -> Documents:
    return Documents("file:///project", [], encoding, heard or Heard())


def _open(documents: Documents, uri: str, text: str = "", notebook: str | None = None) -> None:
    documents.put_text_document(types.TextDocumentItem(uri, "python", 1, text), notebook)


def _snapshot(documents: Documents, uri: str) -> DocumentSnapshot:
    snapshot = documents.snapshot(uri)
    assert snapshot is not None
    return snapshot


def _change(documents: Documents, start: int, end: int, text: str, version: int = 2) -> None:
    where = types.Range(types.Position(0, start), types.Position(0, end))
    documents.update_text_document(
        types.VersionedTextDocumentIdentifier(version, URI),
        types.TextDocumentContentChangePartial(range=where, text=text),
    )


def test_a_change_that_cannot_be_noted_is_applied_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_before: DocumentSnapshot, _after: DocumentSnapshot) -> None:
        raise RuntimeError("no")

    documents = Documents("file:///project", [], "utf-16", fail)
    _open(documents, URI, "ab")
    _change(documents, 1, 1, "x")
    _change(documents, 3, 3, "y", version=3)
    assert _snapshot(documents, URI).text == "axby"
    assert "not noted" in caplog.text


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        (URI, Path("/project/a b.py")),
        ("untitled:Untitled-1", None),
        ("git:/project/a.py?ref", None),
        ("vscode-notebook-cell:/project/n.ipynb#W0", Path("/project/n.ipynb")),
    ],
)
def test_the_path_is_the_file_behind_the_uri(uri: str, path: Path | None) -> None:
    documents = _documents()
    _open(documents, uri)
    assert _snapshot(documents, uri).path == path


def test_a_cell_has_the_path_of_its_notebook() -> None:
    documents = _documents()
    _open(documents, "cell:1", notebook="file:///project/n.ipynb")
    assert _snapshot(documents, "cell:1").path == Path("/project/n.ipynb")


def test_a_change_makes_a_new_snapshot_and_leaves_the_old_one() -> None:
    heard = Heard()
    documents = _documents(heard)
    _open(documents, URI, "one two")
    before = _snapshot(documents, URI)
    _change(documents, 4, 7, "three")
    after = _snapshot(documents, URI)
    assert (before.text, before.version) == ("one two", 1)
    assert (after.text, after.version) == ("one three", 2)
    assert heard.changes == [("one two", "one three")]


def test_ranges_count_units_of_the_negotiated_encoding() -> None:
    for encoding, character in (("utf-8", 4), ("utf-16", 2), ("utf-32", 1)):
        documents = _documents(encoding=encoding)
        _open(documents, URI, "\N{SNAKE}b")
        _change(documents, character, character, "a")
        assert _snapshot(documents, URI).text == "\N{SNAKE}ab"


def test_a_change_without_a_range_replaces_everything() -> None:
    documents = _documents()
    _open(documents, URI, "one two")
    documents.update_text_document(
        types.VersionedTextDocumentIdentifier(2, URI),
        types.TextDocumentContentChangeWholeDocument("new"),
    )
    assert _snapshot(documents, URI).text == "new"


def test_a_change_of_an_unknown_document_is_ignored() -> None:
    heard = Heard()
    documents = _documents(heard)
    _change(documents, 0, 0, "x")
    assert documents.snapshot(URI) is None
    assert heard.changes == []


def test_the_document_used_last_comes_first() -> None:
    documents = _documents()
    for name in ("a", "b", "c"):
        _open(documents, f"file:///{name}.py")
    documents.touch("file:///a.py")
    documents.touch("file:///unknown.py")
    assert [snapshot.uri[8:9] for snapshot, _ in documents.by_recency()] == ["a", "c", "b"]


def test_a_closed_document_is_gone() -> None:
    documents = _documents()
    _open(documents, URI)
    documents.remove_text_document(URI)
    documents.remove_text_document(URI)
    assert documents.snapshot(URI) is None
    assert list(documents.by_recency()) == []


def test_roots_are_the_folders_or_else_the_root() -> None:
    assert _documents().roots() == (Path("/project"),)
    folders = [types.WorkspaceFolder("file:///one", "1"), types.WorkspaceFolder("git:two", "2")]
    documents = Documents("file:///project", folders, "utf-16", Heard())
    assert documents.roots() == (Path("/one"),)

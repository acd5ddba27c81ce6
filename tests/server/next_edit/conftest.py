"""Documents and edits of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from midspan_server import syntax
from midspan_server.history import EditHistory
from midspan_server.next_edit.hunks import Hunk, hunks
from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Desk:
    """A few open documents and the history of their edits, half a minute between two."""

    history: EditHistory
    documents: dict[str, DocumentSnapshot]
    at: float = 0.0

    def open(self, name: str, text: str, language: str = "python") -> DocumentSnapshot:
        path = Path("/p") / name
        document = DocumentSnapshot(
            uri=path.as_uri(), path=path, version=1, language=language, text=text
        )
        self.documents[name] = document
        return document

    def replace(self, name: str, old: str, new: str, number: int = 0) -> DocumentSnapshot:
        """Replace the `number`-th `old` of a document by `new`."""
        before = self.documents[name]
        start = -1
        for _ in range(number + 1):
            start = before.text.index(old, start + 1)
        return self.edit(name, start, start + len(old), new)

    def edit(self, name: str, start: int, end: int, new: str) -> DocumentSnapshot:
        before = self.documents[name]
        after = before.replaced(start, end, new, version=before.version + 1)
        self.at += 30
        self.history.record(before, after, self.at)
        self.documents[name] = after
        return after

    def open_documents(self) -> list[DocumentSnapshot]:
        return list(self.documents.values())

    def hunks(self) -> tuple[Hunk, ...]:
        return hunks(self.history, 64)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk(EditHistory(), {})
    yield made
    for document in made.documents.values():
        syntax.forget(document.uri)

"""Documents, edits of them, and a flow over both with a scripted engine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from midspan_engine.protocol import (
    Edited,
    EditRequest,
    LikelihoodRequest,
    Likelihoods,
    Passage,
    RequestRejected,
)
from midspan_server import syntax
from midspan_server.history import EditHistory
from midspan_server.next_edit.flow import Ask, Flow
from midspan_server.next_edit.hunks import Hunk, hunks
from midspan_server.next_edit.seeking import Scene
from midspan_server.settings import NextEditSettings
from midspan_server.snapshot import DocumentSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from midspan_server.next_edit.proposals import Offered


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


_SETTINGS = NextEditSettings(model=True)
_LINES = "".join(f"x{at} = {at}\n" for at in range(40))
_TEXT = f"def area(w):\n    return w\n\n{_LINES}\nprint(area(1))\n"


class Script:
    """An engine that answers by `rewrite`; None means that it never does."""

    def __init__(self) -> None:
        self.asked: list[EditRequest] = []
        self.was_asked = asyncio.Event()
        self.cancelled = 0
        self.rewrite: Callable[[EditRequest], str | None] = lambda request: request.region
        self.error: RequestRejected | None = None
        self.measured: list[LikelihoodRequest] = []
        self.losses: Callable[[Passage], tuple[float, ...]] | None = lambda _: (0.0,)

    async def likelihoods(self, request: LikelihoodRequest) -> Likelihoods | None:
        self.measured.append(request)
        if self.losses is None:
            await asyncio.Event().wait()
            raise AssertionError
        losses = tuple(map(self.losses, request.passages))
        return Likelihoods(id=request.id, document_version=0, finish="done", losses=losses)

    async def edit(self, request: EditRequest) -> Edited | None:
        self.asked.append(request)
        self.was_asked.set()
        if self.error is not None:
            raise self.error
        text = self.rewrite(request)
        if text is None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        is_edit = text != request.region
        return Edited(
            id=request.id,
            document_version=request.document_version,
            finish="edit" if is_edit else "no_edit",
            text=text or "" if is_edit else "",
            edit_probability=0.95 if is_edit else 0.02,
            mean_logprob=-0.1,
            lowest_logprob=-0.2,
        )


class Table:
    """The desk with a flow that follows its edits."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.script = desk, Script()
        self.flow = Flow(self.scene, lambda: self.script)

    def scene(self) -> Scene:
        return Scene(history=self.desk.history, documents=tuple(self.desk.open_documents()))

    def replace(self, old: str, new: str) -> DocumentSnapshot:
        before = self.desk.documents["a.py"]
        after = self.desk.replace("a.py", old, new)
        self.flow.changed(before, after)
        return after

    async def find(
        self, settings: NextEditSettings = _SETTINGS, *, by_hand: bool = False
    ) -> tuple[Offered, ...]:
        ask = Ask(snapshot=self.desk.documents["a.py"], offset=0, by_hand=by_hand)
        return await self.flow.find(ask, settings)

    def take(self, offered: Offered) -> None:
        one = offered.proposal
        before = self.desk.documents["a.py"]
        after = self.desk.edit("a.py", one.start, one.end, one.text)
        self.flow.changed(before, after)
        self.flow.memory.accepted(offered.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flow.stop()


@pytest.fixture
def table(desk: Desk) -> Iterator[Table]:
    desk.open("a.py", _TEXT)
    with Table(desk) as made:
        yield made

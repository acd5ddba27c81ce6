"""`Proposal`: one edit of one version of a document, in offsets; `Found`: one by the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midspan_server.snapshot import DocumentSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Text for the range between two offsets.

    Attributes:
        snapshot: The version that the offsets refer to.
        start: Offset, in code points, of what goes.
        end: Offset behind it.
        text: What comes.
        label: For people, a few words.
        cause: What the proposal follows from; proposals of one cause are refused together.
    """

    snapshot: DocumentSnapshot
    start: int
    end: int
    text: str
    label: str
    cause: str

    @property
    def line(self) -> int:
        """Number of the line that it starts in."""
        return self.snapshot.line_of(self.start)

    def line_text(self) -> str:
        """That line as it is."""
        start = self.snapshot.line_starts[self.line]
        return self.snapshot.text[start : self.snapshot.line_end(self.line)]

    def applied(self) -> str:
        """The document's text with the edit made."""
        text = self.snapshot.text
        return text[: self.start] + self.text + text[self.end :]


@dataclass(frozen=True, slots=True)
class Found:
    """A proposal of the model and the probability that a person takes it."""

    proposal: Proposal
    probability: float


def in_reading_order(proposals: list[Proposal], uri: str, offset: int) -> list[Proposal]:
    """Those of the document `uri` first, from `offset` on and then from its start."""
    return sorted(proposals, key=lambda one: (one.snapshot.uri != uri, one.start < offset))

"""The edit history as hunks: what changed, whether it says anything, as the model reads it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from midspan_server.line_runs import plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from midspan_server.history import EditHistory
    from midspan_server.snapshot import DocumentSnapshot

_CONTEXT_LINES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Whole lines that changed.

    Attributes:
        path: File of the document, None if unsaved.
        line: Number of the first changed line in the document's newest text.
        before: The lines as they were; none when lines were only added.
        after: The lines as they are now, likewise.
        at: Time of the last change, in seconds of the history's clock.
        is_formatting: Nothing but blanks, line ends and trailing commas changed.
        is_saved: The document was saved after it.
    """

    uri: str
    path: Path | None
    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    at: float
    is_formatting: bool
    is_saved: bool

    @property
    def last_line(self) -> int:
        """Number of the last line that is there now; the line itself where lines were removed."""
        return self.line + max(len(self.after), 1) - 1


def hunks(history: EditHistory, limit: int) -> tuple[Hunk, ...]:
    """The newest `limit` hunks of all documents, newest last."""
    saved_at = {save.uri: save.at for save in history.saves()}
    return tuple(
        Hunk(
            uri=edit.uri,
            path=edit.path,
            line=edit.line,
            before=_lines(edit.before),
            after=_lines(edit.after),
            at=edit.at,
            is_formatting=plain(edit.before) == plain(edit.after),
            is_saved=saved_at.get(edit.uri, float("-inf")) >= edit.at,
        )
        for edit in history.recent(limit)
    )


def _lines(text: str) -> tuple[str, ...]:
    # A change of one empty line cannot be told from no line at all, and matters as little.
    return tuple(text.split("\n")) if text else ()


def hunk_text(before: Sequence[str], after: Sequence[str]) -> str:
    """The change from `before` to `after` (lines without their ends), as the model was taught.

    A unified diff without header, with at most two lines of context on either side of a change.
    """
    lines: list[str] = []
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for index, (kind, first, last, begin, end) in enumerate(blocks):
        if kind != "equal":
            lines += [f"-{line}" for line in before[first:last]]
            lines += [f"+{line}" for line in after[begin:end]]
            continue
        kept = before[first:last]
        head = kept[:_CONTEXT_LINES] if index else kept[:0]
        rest = kept[len(head) :]
        tail = rest[-_CONTEXT_LINES:] if index < len(blocks) - 1 else rest[:0]
        lines += [f" {line}" for line in (*head, *tail)]
    return "".join(f"{line}\n" for line in lines)


def hunk_in(hunk: Hunk, document: DocumentSnapshot | None) -> str:
    """A hunk with the line above it and the line below it, where the document is known."""
    above, below = _line(document, hunk.line - 1), _line(document, hunk.line + len(hunk.after))
    return hunk_text((*above, *hunk.before, *below), (*above, *hunk.after, *below))


def _line(document: DocumentSnapshot | None, number: int) -> tuple[str, ...]:
    if document is None or not 0 <= number < document.line_count:
        return ()
    return (document.text[document.line_starts[number] : document.line_end(number)],)

"""The edit history as hunks: what changed, whether it says anything, as unified diffs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from midspan_server.history import EditHistory

_TRAILING_COMMA = re.compile(r",(?=[)\]}])")
_SPACE = re.compile(r"\s+")


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

    def diff(self) -> str:
        """The hunk as a unified diff without context lines, LF at the end of each line."""
        name = "/".join(self.path.parts[-2:]) if self.path else self.uri.rsplit("/", 1)[-1]
        place = f"-{_range(self.line, self.before)} +{_range(self.line, self.after)}"
        head = [f"--- a/{name}", f"+++ b/{name}", f"@@ {place} @@"]
        return "".join(line + "\n" for line in (*head, *_marked(self.before, self.after)))


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
            is_formatting=_plain(edit.before) == _plain(edit.after),
            is_saved=saved_at.get(edit.uri, float("-inf")) >= edit.at,
        )
        for edit in history.recent(limit)
    )


def _lines(text: str) -> tuple[str, ...]:
    # A change of one empty line cannot be told from no line at all, and matters as little.
    return tuple(text.split("\n")) if text else ()


def _plain(text: str) -> str:
    return _TRAILING_COMMA.sub("", _SPACE.sub("", text)).removesuffix(",")


def _range(line: int, lines: tuple[str, ...]) -> str:
    # As diff has it: an empty range is named by the line before it.
    return f"{line + 1 if lines else line},{len(lines)}"


def _marked(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind == "equal":
            yield from (f" {line}" for line in before[first:last])
        else:
            yield from (f"-{line}" for line in before[first:last])
            yield from (f"+{line}" for line in after[start:end])

"""Where a span ends, judged from its text while it grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midspan_engine.protocol import Finish, InfillRequest, Scope

_TAB = 4
_MOST_BLANK_LINES = 2


@dataclass(frozen=True, slots=True)
class Ending:
    """The span's text up to where it ends, and why it ends there."""

    text: str
    finish: Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRule:
    """Decides from text alone. See `InfillRequest` for `scope`, `block_indent` and `stop`.

    Attributes:
        at_line_start: Whether the hole begins a line: then a block's first line counts as
            indented text rather than as the rest of a line.
    """

    scope: Scope
    block_indent: int
    stop: tuple[str, ...]
    at_line_start: bool

    @classmethod
    def of(cls, request: InfillRequest) -> SpanRule:
        """The rule that a request asks for."""
        return cls(
            scope=request.scope,
            block_indent=request.block_indent,
            stop=tuple(s for s in request.stop if s),
            at_line_start=not request.prefix or request.prefix.endswith(("\n", "\r")),
        )

    def ending(self, text: str) -> Ending | None:
        """Return the ending that `text` has reached, the earliest of them; None to go on."""
        found = [Ending(text[:at], "stop") for s in self.stop if (at := text.find(s)) >= 0]
        by_layout = self._line_end(text) if self.scope == "line" else self._block_end(text)
        if by_layout is not None:
            found.append(by_layout)
        return min(found, key=lambda ending: len(ending.text), default=None)

    def _line_end(self, text: str) -> Ending | None:
        at = text.find("\n")
        return Ending(text[:at].rstrip("\r"), "line") if at >= 0 else None

    def _block_end(self, text: str) -> Ending | None:
        """End before the first line, not blank, that is indented less than the block.

        A run of blank lines ends it too: a small model that has finished may go on with nothing.
        """
        start = 0 if self.at_line_start else text.find("\n") + 1
        if start == 0 and not self.at_line_start:
            return None
        blank = 0
        for line_start, line in _lines(text, start):
            stripped = line.lstrip(" \t")
            blank = 0 if stripped.strip() else blank + 1
            if blank > _MOST_BLANK_LINES and text[:line_start].strip():
                return Ending(text[:line_start].rstrip(), "block")
            if stripped.strip() and _columns(line[: -len(stripped)]) < self.block_indent:
                return Ending(text[:line_start].rstrip(), "block")
        return None


def _lines(text: str, start: int) -> list[tuple[int, str]]:
    """Offsets and contents of the lines from `start`, without an empty one at the end."""
    lines = []
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        lines.append((start, text[start:end]))
        start = end + 1
    return lines


def _columns(blank: str) -> int:
    columns = 0
    for character in blank:
        columns = (columns // _TAB + 1) * _TAB if character == "\t" else columns + 1
    return columns

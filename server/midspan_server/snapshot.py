"""`DocumentSnapshot`: one version of a document, and the only place that converts positions.

Offsets are code points everywhere in Midspan; LSP positions (utf-8, utf-16 or utf-32 units in a
line) exist at the border alone. Lines end at LF, CRLF or CR, as LSP has it; `str.splitlines` would
also break at form feeds and five other characters, which moves every later line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, count
from operator import add
from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LINE_END = re.compile(r"\r\n|\n|\r")
_UTF8_CONTINUATION = bytes(range(0x80, 0xC0))
_HIGH_SURROGATES = range(0xD800, 0xDC00)
_LOW_SURROGATES = range(0xDC00, 0xE000)


@dataclass(frozen=True)
class DocumentSnapshot:
    """One version of one document.

    Attributes:
        uri: As the client wrote it.
        path: File it is or will be saved to; of a notebook cell, the notebook's. None if unsaved.
        version: The client's number for this text.
        language: LSP language identifier, "" when unknown.
        text: The whole text, line ends as they are.
    """

    uri: str
    path: Path | None
    version: int
    language: str
    text: str

    @cached_property
    def line_starts(self) -> Sequence[int]:
        """Offset of the first character of each line; at least one line."""
        text = self.text
        if text.count("\r") != text.count("\r\n"):
            return [0, *(match.end() for match in _LINE_END.finditer(text))]
        # Four times faster than the pattern.
        ends = map(add, accumulate(map(len, text.split("\n"))), count(1))
        return [0, *ends][:-1]

    @property
    def line_count(self) -> int:
        """Number of lines; text that ends in a line end has one more, empty line."""
        return len(self.line_starts)

    def line_of(self, offset: int) -> int:
        """Return the number of the line that holds `offset`, which may be its line end."""
        return bisect_right(self.line_starts, offset) - 1

    def line_end(self, line: int) -> int:
        """Return the offset behind the last character of `line`, before its line end."""
        if line + 1 >= self.line_count:
            return len(self.text)
        end = self.line_starts[line + 1]
        return end - 2 if self.text.endswith("\r\n", self.line_starts[line], end) else end - 1

    def offset_at(self, position: types.Position, encoding: str) -> int:
        """Return the offset of `position`, whose `character` counts units of `encoding`.

        A line beyond the last is the end of the text, a character beyond its line is that line's
        end, and a position within a character is the character's start.
        """
        if position.line < 0:
            return 0
        if position.line >= self.line_count:
            return len(self.text)
        start, end = self.line_starts[position.line], self.line_end(position.line)
        if position.character <= 0:
            return start
        # No unit count is smaller than the number of code points, so this slice is long enough.
        line = self.text[start : min(end, start + position.character)]
        return start + _code_points(line, position.character, encoding)

    def position_at(self, offset: int, encoding: str) -> types.Position:
        """Return the position of `offset` (clamped to the text) in units of `encoding`."""
        offset = min(max(offset, 0), len(self.text))
        line = self.line_of(offset)
        before = self.text[self.line_starts[line] : min(offset, self.line_end(line))]
        return types.Position(line=line, character=_units(before, encoding))

    def range_at(self, start: int, end: int, encoding: str) -> types.Range:
        """Return the LSP range between two offsets."""
        return types.Range(
            start=self.position_at(start, encoding), end=self.position_at(end, encoding)
        )

    def replaced(self, start: int, end: int, text: str, *, version: int) -> DocumentSnapshot:
        """Return the snapshot with `text` in place of what stood between the two offsets."""
        end = max(start, end)
        joined = _joined(_joined(self.text[:start], text), self.text[end:])
        changed = replace(self, version=version, text=joined)
        if (
            "line_starts" in self.__dict__
            and len(joined) - len(self.text) == len(text) + start - end
        ):
            starts = self._moved_line_starts(start, end, text)
            if starts is not None:
                changed.__dict__["line_starts"] = starts
        return changed

    def _moved_line_starts(self, start: int, end: int, text: str) -> list[int] | None:
        """Return the line starts after a replacement; None where a CR makes it less than simple.

        A keystroke in 20,000 lines costs 0.3 ms so, and 3 ms by looking at the whole text.
        """
        if "\r" in text or "\r" in self.text[max(0, start - 1) : end + 1]:
            return None
        starts, moved = self.line_starts, len(text) - (end - start)
        kept = bisect_right(starts, start)
        behind = bisect_right(starts, end)
        inner = [start + match.end() for match in _LINE_END.finditer(text)]
        return [*starts[:kept], *inner, *[at + moved for at in starts[behind:]]]


def _code_points(line: str, units: int, encoding: str) -> int:
    """Return how many code points of `line` lie wholly within its first `units` units."""
    if encoding == types.PositionEncodingKind.Utf32 or line.isascii():
        return min(units, len(line))
    if encoding == types.PositionEncodingKind.Utf8:
        data = line.encode("utf-8", "surrogatepass")
        cut_inside = units < len(data) and data[units] in _UTF8_CONTINUATION
        return len(data[:units].translate(None, _UTF8_CONTINUATION)) - cut_inside
    data = line.encode("utf-16-le", "surrogatepass")
    points = len(data[: 2 * units].decode("utf-16-le", "surrogatepass"))
    return points - _splits_pair(data, 2 * units)


def _splits_pair(data: bytes, cut: int) -> bool:
    if cut >= len(data):
        return False
    before = int.from_bytes(data[cut - 2 : cut], "little")
    after = int.from_bytes(data[cut : cut + 2], "little")
    return before in _HIGH_SURROGATES and after in _LOW_SURROGATES


def _units(text: str, encoding: str) -> int:
    if encoding == types.PositionEncodingKind.Utf32 or text.isascii():
        return len(text)
    if encoding == types.PositionEncodingKind.Utf8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _joined(before: str, after: str) -> str:
    """Join two texts; a surrogate pair that meets at the seam becomes the character it encodes.

    A client that counts utf-16 units may send the halves of a character in two edits. Left as two
    code points they would be counted as one by every codec, and positions after them would drift.
    """
    if not before or not after:
        return before or after
    high, low = ord(before[-1]), ord(after[0])
    if high in _HIGH_SURROGATES and low in _LOW_SURROGATES:
        character = chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        return f"{before[:-1]}{character}{after[1:]}"
    return before + after

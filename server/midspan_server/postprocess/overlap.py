"""Text that stands behind the cursor already."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from midspan_server.indent import columns_of, leading
from midspan_server.postprocess.brackets import closers_of

if TYPE_CHECKING:
    from midspan_server.postprocess.place import Place

_QUOTES = "\"'`"
_SHORTEST_WORDS = 3
_COMPARED_LINES = 12
_MIN_LETTERS = 4


def cut_rest_of_line(text: str, place: Place) -> str:
    """Cut what the rest of the cursor's line says already.

    `print(|)` and `name)`: the bracket is there. But `print(|)` and `name()`: that bracket closes
    one of the suggestion's own, and stays.
    """
    rest = place.line_after.strip()
    if not rest:
        return text
    line = text.split("\n", 1)[0]
    at = _start_of(rest, line, place)
    if at is None or at == len(line):
        return text
    return line[:at].rstrip() if place.line_after[0].isspace() else line[:at]


def _start_of(rest: str, line: str, place: Place) -> int | None:
    """Where in `line` the text begins that `rest` repeats; None where nothing does."""
    if rest[0] in ")]}":
        return next((at for at, closer in closers_of(line, place) if closer == rest[0]), None)
    if rest[0] in _QUOTES and place.line_before.count(rest[0]) % 2:
        return _unescaped(line, rest[0])
    for length in range(min(len(rest), len(line)), 0, -1):
        whole = length == len(rest)
        if line.endswith(rest[:length]) and (whole or _has_word(rest[:length])):
            return len(line) - length
    return None


def _unescaped(line: str, quote: str) -> int | None:
    at = 0
    while at < len(line):
        if line[at] == "\\":
            at += 1
        elif line[at] == quote:
            return at
        at += 1
    return None


def _has_word(text: str) -> bool:
    return sum(map(str.isalnum, text)) >= _SHORTEST_WORDS


def cut_following_lines(text: str, place: Place) -> str | None:
    """Cut from where the suggestion goes on with the lines that follow the cursor's line.

    One line that says little (`}`, `else:`) is no proof, unless the suggestion ends with it.
    White space inside a line does not count, its indentation does.
    """
    below = [_plain(line) for line in islice(place.lines_below(), _COMPARED_LINES) if line.strip()]
    if not below or place.line_after.strip():
        return text
    lines = text.split("\n")
    plain = [_plain(line) for line in (place.line_before + text).split("\n")]
    for start, line in enumerate(plain):
        if line == below[0] and _goes_on(plain[start:], below):
            # What is left may end with the same line, said twice.
            return cut_following_lines("\n".join(lines[:start]), place) if start else None
    return text


def _goes_on(lines: list[str], below: list[str]) -> bool:
    said = [line for line in lines if line]
    same = 0
    while same < min(len(said), len(below)) and said[same] == below[same]:
        same += 1
    letters = sum(sum(map(str.isalnum, line)) for line in said[:same])
    return same == len(said) or letters >= _MIN_LETTERS


def _plain(line: str) -> str:
    words = "".join(line.split())
    return " " * columns_of(leading(line)) + words if words else ""

"""Models that loop, and models that say again what stands right above."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midspan_server.postprocess.place import Place

# At a line's end: a piece of up to 30 characters, five times or more, 30 characters in all. Tables
# of equal numbers are the one honest text that looks so, and short ones pass.
_LONGEST_PIECE = 30
_ROUNDS = 5
_SHORTEST_LOOP = 30
_LONGEST_CYCLE = 6
_ABOVE = 40
_MIN_LETTERS = 6
_MANY_LINES = 3


def cut_loop(text: str, place: Place) -> str | None:
    """Keep one round of a loop: of lines that come again and again, or of a piece of one line."""
    del place
    lines = _cut_cycle(text.split("\n"))
    if not _loops(lines[-1]):
        return "\n".join(lines)
    # What a looping line was to become nobody knows; the lines above it stand.
    return "\n".join(lines[:-1]) or None


def _loops(line: str) -> bool:
    for period in range(2, _LONGEST_PIECE + 1):
        same = 0
        while same < len(line) - period and line[-1 - same] == line[-1 - same - period]:
            same += 1
        run = same + period
        if run >= max(_SHORTEST_LOOP, _ROUNDS * period) and len(set(line[-period:])) > 1:
            return True
    return False


def _cut_cycle(lines: list[str]) -> list[str]:
    """Cut lines after the first round of a cycle: one line three times, or several lines twice."""
    for start in range(len(lines)):
        for length in range(1, _LONGEST_CYCLE + 1):
            rounds = 3 if length == 1 else 2
            cycle = lines[start : start + length]
            window = lines[start : start + length * rounds]
            if window == cycle * rounds and _says_something("".join(cycle)):
                return lines[: start + length]
    return lines


def drop_repeated_lines(text: str, place: Place) -> str | None:
    """Drop what stands right above the cursor, or within a screen of it if it has several lines.

    Small models copy when they do not know better; one click of the user would have done it.
    """
    lines = _filled((place.line_before + text).split("\n"))
    if place.line_after.strip() or not _says_something("".join(lines)):
        return text
    above = _filled(islice(place.lines_above(), _ABOVE))[::-1]
    last = len(above) - len(lines)
    first = 0 if len(lines) >= _MANY_LINES else last
    for start in range(max(0, first), last + 1):
        if above[start : start + len(lines)] == lines:
            return None
    return text


def _filled(lines: Iterable[str]) -> list[str]:
    """Lines that are not blank. Their indentation counts: `return False` twice may be right."""
    return [line.rstrip() for line in lines if line.strip()]


def _says_something(text: str) -> bool:
    """Closers and single words are repeated rightly."""
    return sum(map(str.isalnum, text)) >= _MIN_LETTERS and not text.strip().isidentifier()

"""Whether the text around a hole can be read with what was put into it.

Tree-sitter reads Python's layout leniently: a header without a body and a line that is indented too
far are no errors to it. So Python is judged by Python's own parser, other languages by their
grammar, and both only by what breaks at the hole: half-written files are no reason to refuse
anything.
"""

from __future__ import annotations

import ast
import itertools
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.canvas.syntax import SyntaxGate

if TYPE_CHECKING:
    from midspan_engine.protocol import InfillRequest

_MOST_LINES = 200
"""Lines above the hole, and below, that are read; parsing them takes a millisecond or two."""
_MOST_CHARACTERS = 20_000
_STATEMENT = ("def ", "class ", "async def ", "@")
_OPEN = re.compile("was never closed|unterminated triple-quoted")
_HEADER = re.compile(r"expected an indented block after .* on line (\d+)")


class Seam:
    """Judges what is put into the hole of one request.

    Only blocks are judged: a line that is being written may well be a header without its body, a
    comment, an opened bracket or string, and what it lacks is still to come.

    Args:
        request: What is around the hole, and in which language.
    """

    def __init__(self, request: InfillRequest) -> None:
        self._request = request
        size = len(request.prefix) + len(request.suffix)
        self._is_judged = request.scope == "block" and size <= _MOST_CHARACTERS
        self._gate = SyntaxGate.of(request) if self._is_judged else None

    def is_broken_by(self, text: str) -> bool:
        """Whether the block `text` breaks a file that can be read otherwise."""
        if not self._is_judged:
            return False
        if self._request.language == "python":
            return self._is_broken_python(text)
        return self._is_unlike_before(text)

    def _is_broken_python(self, text: str) -> bool:
        seam = _PythonSeam.of(self._request, text)
        error = seam.error()
        if error is None or not seam.is_its_doing(error):
            return False
        if isinstance(error, IndentationError):
            return True
        if _OPEN.search(error.msg):  # what closes it may lie beyond the request
            return self._is_unlike_before(text)
        # Python may be older than the file's syntax.
        return self._gate is not None and self._gate.is_torn(text)

    def _is_unlike_before(self, text: str) -> bool:
        """Whether the grammar reads the file with some filling, and not with this one."""
        gate = self._gate
        return gate is not None and gate.errors(text) > 0 and not gate.usual


@dataclass(frozen=True, slots=True, kw_only=True)
class _PythonSeam:
    """The statements around one hole that is filled.

    Attributes:
        lines: From the nearest statement of the file above, to where the request ends.
        first: Number of the hole's first line, from 1.
        last: Of its last one.
        end: Of the last one that has text of the hole.
        next: Of the next line that is not blank; `last` where there is none.
        goes_on: Whether the hole's last line does behind the hole.
    """

    lines: list[str]
    first: int
    last: int
    end: int
    next: int
    goes_on: bool

    @classmethod
    def of(cls, request: InfillRequest, text: str) -> _PythonSeam:
        above = request.prefix.split("\n")
        begin = above.pop()
        above = above[_nearest_statement(above) :]
        suffix = "\n".join(request.suffix.split("\n", _MOST_LINES)[:_MOST_LINES])
        hole = f"{begin}{text}{suffix}".split("\n")
        headers = _headers([*above, *hole])
        first = len(headers) + len(above) + 1
        last = first + text.count("\n")
        lines = [*headers, *above, *hole]
        filled = (number for number, line in enumerate(lines, 1) if number > last and line.strip())
        return cls(
            lines=lines,
            first=first,
            last=last,
            end=last - text.endswith("\n"),
            next=next(filled, last),
            goes_on=bool(suffix.split("\n", 1)[0].strip()),
        )

    def is_its_doing(self, error: SyntaxError) -> bool:
        """Whether it is the hole where the file breaks."""
        starts = {line[0] for line in self.lines if line[:1] in {" ", "\t"}}
        if error.lineno is None or len(starts) > 1:
            return False  # the server gives an answer the tabs of its file
        header = _HEADER.match(error.msg)
        if header and int(header[1]) >= self.first:
            is_unseen = self.goes_on and self.next == self.last
            return int(header[1]) <= self.last and not (int(header[1]) == self.last and is_unseen)
        # Only layout reaches further: what the request cuts off may be left open behind the hole.
        is_layout = isinstance(error, IndentationError)
        return self.first <= error.lineno <= (self.next if is_layout else self.end)

    def error(self) -> SyntaxError | None:
        """What Python finds first; None where it finds nothing or gives up."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes in strings, with the text itself
                ast.parse("\n".join([*self.lines, ""]))
        except SyntaxError as error:
            return error
        except (ValueError, RecursionError, MemoryError):
            return None
        return None


def _nearest_statement(above: list[str]) -> int:
    """Index of the nearest line that begins a statement of the file, or of the first to be read."""
    furthest = max(0, len(above) - _MOST_LINES)
    found = (at for at in range(len(above) - 1, furthest, -1) if above[at].startswith(_STATEMENT))
    return next(found, furthest)


def _headers(lines: list[str]) -> list[str]:
    """Openers for the blocks that the first lines stand in, where their own are cut off."""
    blanks = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line.strip()]
    if not blanks or not blanks[0]:
        return []
    lowest = {len(least): least for least in itertools.accumulate(blanks, _shorter)}
    del lowest[len(blanks[0])]
    lowest[0] = ""
    return [f"{lowest[size]}if 1:" for size in sorted(lowest)]


def _shorter(first: str, second: str) -> str:
    return second if len(second) < len(first) else first

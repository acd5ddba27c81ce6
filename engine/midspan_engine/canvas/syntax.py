"""What the file's grammar does not accept is masked again: while a span is filled, and at its end.

While there are masks, only what stands before the first one can be judged, and only by whether
anything at all may follow it. What stands behind a mask cannot: the mask may begin a string or a
comment. At the end the whole file is parsed. Errors that it has anyway, as half-written files do,
are no reason.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from tree_sitter import Language, Parser

from midspan_engine.canvas.beginnings import refused_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from midspan_engine.canvas.span import CanvasSpan
    from midspan_engine.protocol import InfillRequest

_GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "javascriptreact": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "typescriptreact": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
}
_MOST_REMASKED = 6
_MOST_REFUSED = 8
_NEXT_LINES = re.compile(r"[^\n]*\s*[^\n]*")
"""Rest of the line and the next that is not blank: a line break is judged by what follows."""
_MOST_READ = 2_048
"""Bytes before the span; to judge a beginning takes a tenth of a second for each thousand."""
_FILLINGS = ("", "x", "x)")
"""A hole without anything in it is an error where an expression is to come, so others are tried."""


@lru_cache
def _parser(language: str) -> Parser | None:
    if language not in _GRAMMARS:
        return None
    module, function = _GRAMMARS[language]
    return Parser(Language(getattr(importlib.import_module(module), function)()))


@dataclass(frozen=True, kw_only=True)
class SyntaxGate:
    """Judges spans between one prefix and one suffix.

    Attributes:
        parser: Of the file's grammar.
        prefix: Text before the span, as much as the request has of it.
        suffix: Text after it.
    """

    parser: Parser
    prefix: str
    suffix: str

    @classmethod
    def of(cls, request: InfillRequest) -> SyntaxGate | None:
        """The gate of a request; None where we have no grammar of its language."""
        parser = _parser(request.language)
        if parser is None:
            return None
        return cls(parser=parser, prefix=request.prefix, suffix=request.suffix)

    @cached_property
    def usual(self) -> int:
        """Errors that the text has anyway, whatever stands in the hole."""
        return min(map(self.errors, _FILLINGS))

    def refused_at(self, text: str, *, ended: bool) -> int | None:
        """Byte of `text` behind the token that cannot stand there, None where all may be right.

        Args:
            text: The answer up to its first mask.
            ended: Whether the text after the hole follows it.
        """
        start = len(self.prefix.encode())
        if start > _MOST_READ:
            return None
        follows = _NEXT_LINES.match(self.suffix) if ended and not self.usual else None
        behind = follows[0] if follows else ""
        end = refused_at(self.parser, (self.prefix + text + behind).encode())
        # Where the prefix breaks already, the parser has no opinion on the rest.
        return None if end is None or end <= start else end - start

    def errors(self, text: str) -> int:
        """How many errors the file has with this text in the hole."""
        return len(self._ranges(text))

    def is_torn(self, text: str) -> bool:
        """Whether an error touches the lines that this text stands in."""
        begin = self.prefix.rfind("\n") + 1
        start = len(self.prefix[:begin].encode())
        line = (self.prefix[begin:] + text + self.suffix.split("\n", 1)[0]).encode()
        return any(a <= start + len(line) and b > start for a, b in self._ranges(text))

    def offending(self, span: CanvasSpan) -> list[int]:
        """Cells that stand where the text breaks, none where it is no worse than it has to be.

        The least certain cell is the first, and only some of them are taken. Where no error touches
        the span, which an unclosed bracket may cause far behind, all cells count.
        """
        text, _ = span.answer()
        start = len(self.prefix.encode())
        found = self._ranges(text)
        if len(found) <= self.usual:
            return []
        begin = start + len(span.context.indent.encode()) - len(span.context.pending)
        places, at = [], begin
        for place, cell in enumerate(span.canvas.cells):
            length = len(span.tokenizer.token_bytes(cell.token))
            touched = any(a < at + length and b > at for a, b in found)
            if touched and not cell.fixed:
                places.append(place)
            at += length
        cells = span.canvas.cells
        pool = places or [place for place, cell in enumerate(cells) if not cell.fixed]
        return sorted(pool, key=lambda place: cells[place].logprob)[:_MOST_REMASKED]

    def _ranges(self, text: str) -> list[tuple[int, int]]:
        tree = self.parser.parse((self.prefix + text + self.suffix).encode())
        return list(_errors(tree.root_node))


class GrammarHold:
    """Holds one span to the grammar while it has masks.

    Args:
        gate: Of the request.
    """

    def __init__(self, gate: SyntaxGate) -> None:
        self._gate = gate
        self._refused = 0
        self._right = 0
        self._last: tuple[str, bool] = ("", False)

    def offending(self, span: CanvasSpan) -> int | None:
        """The cell that has to go, None where all may be right or enough was refused.

        Of the cells that have joined those before the first mask, and that the parser has read when
        it stops, it is the least certain one: a token that cannot stand there may be right, and one
        before it wrong.
        """
        text, ended = found = span.beginning()
        if self._refused >= _MOST_REFUSED or found == self._last:
            return None
        self._last = found
        end = self._gate.refused_at(text, ended=ended)
        if end is None:
            self._right = span.canvas.known
            return None
        self._refused += 1
        self._right = min(self._right, span.canvas.known)
        cells = span.canvas.cells[: span.canvas.known]
        joined = [place for place in range(self._right, len(cells)) if not cells[place].fixed]
        begins = self._begins(span)
        read = [place for place in joined if begins[place] < end]
        return min(read or joined, key=lambda place: cells[place].logprob, default=None)

    def _begins(self, span: CanvasSpan) -> list[int]:
        """The byte of the answer with which each cell before the first mask begins."""
        at = len(span.context.indent.encode()) - len(span.context.pending)
        known = span.canvas.cells[: span.canvas.known]
        lengths = (len(span.tokenizer.token_bytes(cell.token)) for cell in known)
        return list(accumulate(lengths, initial=at))


def _errors(root: Node) -> Iterator[tuple[int, int]]:
    """Byte ranges of what the parser could not read; a missing sign is one byte long."""
    pending = [root]  # trees may be deeper than Python calls
    while pending:
        node = pending.pop()
        if node.is_missing:
            yield node.start_byte, node.start_byte + 1
        elif node.has_error:
            if node.is_error:
                yield node.start_byte, max(node.end_byte, node.start_byte + 1)
            pending += reversed(node.children)

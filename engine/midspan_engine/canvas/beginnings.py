"""Whether a beginning of a file can still become one that the grammar accepts.

Parse trees do not tell: tree-sitter mends the end of every beginning, and where is its own choice.
An LR parser refuses a token as soon as nothing can follow what it has read with it, and that moment
is in tree-sitter's log. A refusal at the edge means nothing, for the token there may go on, nor
does one that some closing sign would prevent: the edge may lie in a string, a comment or a regex.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from tree_sitter import LogType, Parser

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT = re.compile(r"process version:\d+, version_count:\d+, state:\d+, row:(\d+), col:(\d+)$")
_READ = re.compile(r"lexed_lookahead sym:.*, size:(\d+)$", re.DOTALL)
_CLOSING = (
    *b"\" ' ` \"\"\" ''' */ / ]/ n]/ } }` ) > . .. = x 0 n n' n\" x' \"#".split(),
    b"\n",
    b" x",
)
_BRACKETS = (b")", b"]", b"}")


class _RefusalLog:
    """Listens to one parse.

    Attributes:
        end: Byte behind the token that nothing accepted; None while there was none.
    """

    def __init__(self, starts: Sequence[int]) -> None:
        self.end: int | None = None
        self._starts = starts
        self._at = self._furthest = 0

    def __call__(self, kind: LogType, text: str) -> None:
        if kind is not LogType.PARSE or self.end is not None:
            return
        if text.startswith("process") and (found := _AT.match(text)):
            self._at = self._starts[int(found[1])] + int(found[2])
        elif text.startswith("lexed") and (found := _READ.match(text)):
            self._furthest = max(self._furthest, self._at + int(found[1]))
        elif text.startswith("resume"):  # no reading of an ambiguous text is left
            self.end = self._furthest


def refused_at(parser: Parser, text: bytes) -> int | None:
    """Where `text` stops being the beginning of a file, whatever follows it.

    Returns:
        The byte behind the token that cannot stand there; None where something may still follow.
    """
    # Most beginnings parse as they are, and a parse that nobody listens to takes a tenth.
    if not parser.parse(text).root_node.has_error:
        return None
    read = text.rstrip()
    end = _refusal(parser, text)
    # A bracket is a whole token, whatever follows it.
    if end is None or end > len(read) or (end == len(read) and read[-1:] not in _BRACKETS):
        return None
    for closing in _CLOSING:
        other = _refusal(parser, text + closing)
        if other is None or other > end:
            return None
    return end


def _refusal(parser: Parser, text: bytes) -> int | None:
    lengths = (len(line) + 1 for line in text.split(b"\n"))
    log = _RefusalLog([0, *accumulate(lengths)])
    listened_to = Parser(parser.language)
    listened_to.logger = log
    listened_to.parse(text)
    return log.end

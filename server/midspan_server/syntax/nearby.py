"""The text around a cursor, parsed on its own.

In a file of 5,000 lines the whole tree costs ten milliseconds a keystroke while a bracket is open
in the middle of it. What is asked about a cursor is decided by the code near it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from midspan_server.syntax.grammars import parser
from midspan_server.syntax.tree import Syntax

if TYPE_CHECKING:
    from midspan_server.snapshot import DocumentSnapshot

_BEFORE, _AFTER = 6000, 1500
"""Characters around the cursor that are parsed."""
_MARGIN = re.compile(r"^[^\s})\]#/*]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Nearby:
    """A tree of part of a text, and where that part begins in the text."""

    syntax: Syntax
    start: int


def nearby(snapshot: DocumentSnapshot, offset: int) -> Nearby | None:
    """Parse what stands around `offset`, from a line at the margin on; None without a grammar."""
    if parser(snapshot.language) is None:
        return None
    text = snapshot.text
    line_start = text.rfind("\n", 0, offset) + 1
    start = text.rfind("\n", 0, max(0, line_start - _BEFORE)) + 1
    # A line at the margin most likely begins a definition.
    border = _MARGIN.search(text, start, line_start)
    if start and border:
        start = border.start()
    end = text.find("\n", offset + _AFTER)
    part = text[start:] if end < 0 else text[start : end + 1]
    return Nearby(_parsed(snapshot.language, part), start)


@lru_cache(maxsize=4)
def _parsed(language: str, text: str) -> Syntax:
    return Syntax.from_text(language, text)

"""What of a document is read around the cursor, and where it is cut.

The engine reuses the longest common start of two prompts, so the cuts must not move while a person
types. The cut above the cursor depends on the text above an *anchor* alone: the last point of a
grid of a quarter of the budget. The cut below is measured from the end of the document, which
typing does not move. Both then go to a border of the syntax nearby.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.indent import columns_of, leading
from midspan_server.outline import head
from midspan_server.syntax import parse, profile

if TYPE_CHECKING:
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax import Syntax

# Measured with the Qwen2.5 tokenizer: Python and TypeScript have 4.0 to 5.1 characters a token,
# Chinese prose 4.3 bytes, and every digit is a token of its own. A budget of characters stands for
# a third as many tokens, so that only text that is much denser than code is cut shorter.
_BYTES_PER_TOKEN = 4
_BUDGET_CHARS_PER_TOKEN = 3
_SMALLEST_STEP = 64
_KEPT = 32


@dataclass(frozen=True, slots=True)
class Above:
    """The part above the cursor.

    Attributes:
        head: Imports and the headers of what encloses `cut`, with elisions; "" if nothing is cut.
        cut: From here to the cursor everything is read.
        anchor: Text above this offset decides what else is read.
    """

    head: str
    cut: int
    anchor: int


# A tree of half-typed code may waver between keystrokes. The first answer for a text above the
# anchor therefore stands as long as that text does.
_known: OrderedDict[tuple[str, int, int, int], Above] = OrderedDict()


def above(snapshot: DocumentSnapshot, offset: int, budget: int) -> Above:
    """Choose about `budget` characters before `offset`, a quarter more at most."""
    step = max(1, budget // 4)
    anchor = offset // step * step or offset // _SMALLEST_STEP * _SMALLEST_STEP
    wanted = _affordable(snapshot.text, anchor - budget + step // 2, anchor, budget)
    if wanted <= 0:
        return Above("", 0, anchor)
    key = (snapshot.uri, budget, anchor, hash(snapshot.text[:anchor]))
    found = _known.pop(key, None) or _cut(snapshot, wanted, anchor, budget)
    _known[key] = found
    while len(_known) > _KEPT:
        _known.popitem(last=False)
    return found


def below(snapshot: DocumentSnapshot, offset: int, budget: int) -> int:
    """Where the text after `offset` ends: about `budget` characters on, at the end of a line."""
    text, step = snapshot.text, max(1, budget // 4)
    dropped = (len(text) - offset - budget) // step * step
    if dropped <= 0 and _tokens(text[offset:]) <= budget // _BUDGET_CHARS_PER_TOKEN:
        return len(text)
    limit = len(text) - max(0, dropped)
    while limit - step > offset and (
        _tokens(text[offset:limit]) > budget // _BUDGET_CHARS_PER_TOKEN
    ):
        limit -= step
    for border in ("\n\n", "\r\n\r\n"):
        blank = text.rfind(border, max(offset, limit - step), limit)
        if blank >= 0:
            return blank
    line_end = text.rfind("\n", offset, limit)
    return line_end if line_end > offset else limit


def _affordable(text: str, wanted: int, anchor: int, budget: int) -> int:
    """`wanted`, moved towards the anchor while the text between has too many tokens."""
    step = max(1, budget // 4)
    wanted = max(0, wanted)
    while wanted + step < anchor and (
        _tokens(text[wanted:anchor]) > budget // _BUDGET_CHARS_PER_TOKEN
    ):
        wanted += step
    return wanted


def _tokens(text: str) -> int:
    """About how many tokens `text` has."""
    if not text.isascii():
        return (len(text.encode("utf-8", "replace")) + 3 * _digits(text)) // _BYTES_PER_TOKEN
    return (len(text) + 3 * _digits(text)) // _BYTES_PER_TOKEN


def _digits(text: str) -> int:
    return sum(map(text.count, "0123456789"))


def _cut(snapshot: DocumentSnapshot, wanted: int, anchor: int, budget: int) -> Above:
    cut = _border(snapshot, wanted, min(anchor, wanted + budget // 4))
    return Above(head(snapshot, cut, anchor, budget // 5), cut, anchor)


def _border(snapshot: DocumentSnapshot, start: int, end: int) -> int:
    """The best line to begin with between two offsets; `start` itself in one long line."""
    first, last = snapshot.line_of(start) + 1, snapshot.line_of(end)
    if first > last:
        return start
    syntax = parse(snapshot)
    best = min(range(first, last + 1), key=lambda line: _rank(snapshot, syntax, line))
    return snapshot.line_starts[best]


def _rank(snapshot: DocumentSnapshot, syntax: Syntax | None, line: int) -> tuple[int, int, int]:
    """Lower is better: a definition, then the line after a blank one; the outermost of them."""
    start = snapshot.line_starts[line]
    text = snapshot.text[start : snapshot.line_end(line)]
    if not text.strip():
        return 4, 0, line
    above = snapshot.text[snapshot.line_starts[line - 1] : snapshot.line_end(line - 1)]
    kind = 2 if above.strip() else 1
    if syntax is not None:
        first = syntax.first_node(start + len(leading(text)))
        if first.type in profile(syntax.language).definitions:
            kind = 0
        elif first.start_byte < syntax.byte_of(start) and first.child_count == 0:
            kind = 3  # inside a string or a comment of several lines
    elif profile(snapshot.language).closer.match(text):
        kind = 3
    return kind, columns_of(leading(text)), line

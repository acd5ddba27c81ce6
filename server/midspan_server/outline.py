"""What a reader needs to know of the text that was dropped above a cut: imports and headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midspan_server.indent import columns_of, leading
from midspan_server.syntax import parse, profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midspan_server.snapshot import DocumentSnapshot

_WORD = re.compile(r"[^\W\d]\w*")
_IMPORT_LINES = 120
_LONGEST_LINE = 160
_LONGEST_HEADER = 6

# First and last line of a piece that stays, both included.
_Piece = tuple[int, int]


def head(snapshot: DocumentSnapshot, cut: int, anchor: int, budget: int) -> str:
    """The text that stands for everything before `cut`, which is the start of a line.

    Args:
        snapshot: The document.
        cut: Text from here on is read anyway.
        anchor: Imports that are used between `cut` and here come first.
        budget: Characters of imports, and of headers, each.
    """
    cut_line = snapshot.line_of(cut)
    used = set(_WORD.findall(snapshot.text[cut:anchor]))
    headers = _within(snapshot, _headers(snapshot, cut_line), budget)
    imports = _best_imports(snapshot, _imports(snapshot, cut_line), used, budget)
    return _joined(snapshot, sorted({*imports, *headers}), cut_line)


def _joined(snapshot: DocumentSnapshot, pieces: list[_Piece], cut_line: int) -> str:
    """The pieces with an elision in every gap, indented like what follows it."""
    end = "\r\n" if snapshot.text.find("\r\n", 0, snapshot.line_starts[cut_line]) >= 0 else "\n"
    elision = profile(snapshot.language).elision
    taken: list[str] = []
    reached = 0
    for first, last in [*pieces, (cut_line, cut_line)]:
        if any(_line(snapshot, line).strip() for line in range(reached, first)):
            taken.append(leading(_line(snapshot, first)) + elision)
        if first < cut_line:
            taken += [_line(snapshot, line) for line in range(first, last + 1)]
        reached = last + 1
    return "".join(line + end for line in taken)


def _line(snapshot: DocumentSnapshot, line: int) -> str:
    return snapshot.text[snapshot.line_starts[line] : snapshot.line_end(line)]


def _headers(snapshot: DocumentSnapshot, cut_line: int) -> list[_Piece]:
    """Headers of the blocks that are open at the cut, innermost first.

    They are found by indentation, upwards: each line that is further out than all below it. A tree
    would know them too, but not while a bracket is missing somewhere below.
    """
    language = profile(snapshot.language)
    lines = range(cut_line, snapshot.line_count)
    limit = next((_column(snapshot, line) for line in lines if _line(snapshot, line).strip()), 0)
    found: list[_Piece] = []
    pending = 0
    for line in range(cut_line - 1, -1, -1):
        text = _line(snapshot, line)
        column = columns_of(leading(text))
        if not text.strip() or column >= limit or text.lstrip().startswith(language.comment):
            continue
        if language.closer.match(text):
            # The end of a header of several lines, or of a branch before: what it closes follows.
            pending, limit = pending or line, column + 1
            continue
        found.append((line, pending if 0 < pending - line < _LONGEST_HEADER else line))
        pending, limit = 0, column
        if column == 0:
            break
    return found


def _column(snapshot: DocumentSnapshot, line: int) -> int:
    return columns_of(leading(_line(snapshot, line)))


def _imports(snapshot: DocumentSnapshot, cut_line: int) -> list[_Piece]:
    """Imports above the cut: from the tree, or by their first word where it has none."""
    from_tree = list(_imports_of_tree(snapshot, cut_line))
    if from_tree:
        return from_tree
    pattern = profile(snapshot.language).import_line
    lines = range(min(cut_line, _IMPORT_LINES))
    return [(line, line) for line in lines if pattern.match(_line(snapshot, line))]


def _imports_of_tree(snapshot: DocumentSnapshot, cut_line: int) -> Iterator[_Piece]:
    syntax, kinds = parse(snapshot), profile(snapshot.language).imports
    if syntax is None or not kinds:
        return
    for node in syntax.tree.root_node.children:
        if node.start_point.row >= cut_line:
            return
        if node.type in kinds:
            # Some nodes end with their line end, at the start of the next line.
            ends_before = node.end_point.column == 0 and node.end_point.row > node.start_point.row
            yield node.start_point.row, node.end_point.row - ends_before


def _best_imports(
    snapshot: DocumentSnapshot, imports: list[_Piece], used: set[str], budget: int
) -> list[_Piece]:
    """As many as the budget takes; those whose names are used come first."""

    def usefulness(piece: _Piece) -> int:
        words = _WORD.findall(_text(snapshot, piece))
        return -len(used.intersection(words))

    return _within(snapshot, sorted(imports, key=usefulness), budget)


def _within(snapshot: DocumentSnapshot, pieces: list[_Piece], budget: int) -> list[_Piece]:
    kept = []
    for piece in pieces:
        text = _text(snapshot, piece)
        if len(text) <= budget and max(map(len, text.split("\n"))) <= _LONGEST_LINE:
            kept.append(piece)
            budget -= len(text) + 1
    return kept


def _text(snapshot: DocumentSnapshot, piece: _Piece) -> str:
    first, last = piece
    return snapshot.text[snapshot.line_starts[first] : snapshot.line_end(last)]

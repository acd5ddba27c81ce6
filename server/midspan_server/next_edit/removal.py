"""Lines that an edit takes away, and whether that follows from what the person took away.

A model that ends early, or loses its place, leaves lines out that nobody wants to lose. What it
takes away on purpose has a reason in the history: a name that the person removed and that nothing
declares any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server import syntax
from midspan_server.next_edit.naming import naming
from midspan_server.next_edit.occurrences import occurrences
from midspan_server.next_edit.renames import names, renames
from midspan_server.next_edit.tokens import is_word, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.next_edit.proposal import Proposal
    from midspan_server.syntax import Syntax


def removed_lines(part: Proposal, recent: Sequence[Hunk]) -> int:
    """Lines that go without one that comes; 0 where all that goes follows from the hunks.

    Args:
        part: The edit.
        recent: Hunks, newest last.
    """
    old = part.snapshot.text[part.start : part.end]
    count = max(0, old.count("\n") - part.text.count("\n"))
    return 0 if count and not part.text and _follows(part, old, recent) else count


def _follows(part: Proposal, old: str, recent: Sequence[Hunk]) -> bool:
    """Whether each statement that goes has a name that went and is declared nowhere else."""
    document = part.snapshot
    tree = syntax.parse(document) if naming(document.language) is not None else None
    if tree is None:
        return False
    heads = [{word for word in tokens(line) if is_word(word)} for line in _heads(old)]
    named = {word for words in heads for word in words} & _gone(recent)
    span = tree.byte_of(part.start), tree.byte_of(part.end)
    reasons = {name for name in named if not _is_needed(tree, name, *span)}
    return bool(reasons) and all(words & reasons for words in heads)


def _gone(recent: Sequence[Hunk]) -> set[str]:
    """Names that the hunks removed and put nothing in the place of."""
    gone: set[str] = set()
    for hunk in recent:
        changed = names(hunk)
        gone |= changed.removed - {one.old for one in renames(hunk)}
        gone -= changed.added
    return gone


def _heads(text: str) -> list[str]:
    """The lines with the least indentation that have a word in them: where statements begin."""
    lines = [line for line in text.splitlines() if any(map(str.isalnum, line))]
    depths = [len(line) - len(line.lstrip()) for line in lines]
    return [line for line, depth in zip(lines, depths, strict=True) if depth == min(depths)]


def _is_needed(tree: Syntax, name: str, start: int, end: int) -> bool:
    """Whether a name is declared outside of the bytes, or declared inside and used outside."""
    found = occurrences(tree, name)
    outside = [one for one in found if not start <= one.start < end]
    is_declared_here = any(one.binding for one in found if one not in outside)
    return any(one.binding for one in outside) or (is_declared_here and bool(outside))

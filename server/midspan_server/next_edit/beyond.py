"""What other open files have to say about the names that the person changed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from midspan_server import syntax
from midspan_server.next_edit.headers import changed_from_outside
from midspan_server.next_edit.renames import names
from midspan_server.snippets import OpenDocument, choose, identifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.protocol import Snippet
    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.snapshot import DocumentSnapshot

_HUNKS = 3
# A name that came or went says more than one that only stands beside it.
_CHANGED_WEIGHT = 8


def snippets(
    recent: Sequence[Hunk], documents: Sequence[DocumentSnapshot], uri: str, budget: int
) -> tuple[Snippet, ...]:
    """Definitions and uses of what the newest hunks changed, most relevant last.

    Args:
        recent: Hunks, newest last.
        documents: What may be read, latest used first.
        uri: Document that is to be edited, which is left out.
        budget: Characters of all of them together; 0 for none.
    """
    query: Counter[str] = Counter()
    changed: set[str] = set()
    for hunk in recent[-_HUNKS:]:
        query |= identifiers("\n".join((*hunk.before, *hunk.after)))
        changed |= identifiers(" ".join(_changed(hunk, documents))).keys()
    query |= Counter(dict.fromkeys(changed, _CHANGED_WEIGHT))
    others = [
        OpenDocument(one, -float(rank)) for rank, one in enumerate(documents) if one.uri != uri
    ]
    return choose(query, others, budget, frozenset(changed)) if budget and changed else ()


def _changed(hunk: Hunk, documents: Sequence[DocumentSnapshot]) -> set[str]:
    """Names that came or went, and those of functions that are to be called otherwise now."""
    found = names(hunk)
    home = next((one for one in documents if one.uri == hunk.uri), None)
    tree = syntax.parse(home) if home is not None else None
    called = changed_from_outside(hunk, home, tree) if home and tree else ()
    return {*found.removed, *found.added, *called}

"""The newest syntax tree of each document, renewed from the one before it.

A whole parse of a 5,000-line file takes 15 to 40 ms, which no keystroke may cost. Given the old
tree and where the text changed, tree-sitter takes about one. The cache changes the time only: what
`parse` returns depends on the snapshot alone.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from midspan_server.syntax.grammars import parser
from midspan_server.syntax.tree import Syntax

if TYPE_CHECKING:
    from midspan_server.snapshot import DocumentSnapshot

# Beyond this the tree costs more memory and time than a completion is worth.
MAX_PARSED_CHARS = 1_500_000
# A tree of 5,000 lines takes 4 MB, and the process has 120 MB for everything.
_MAX_TREES = 8

_trees: OrderedDict[str, Syntax] = OrderedDict()


def parse(snapshot: DocumentSnapshot) -> Syntax | None:
    """The syntax tree of a snapshot; None without a grammar, or where the text is too long."""
    if len(snapshot.text) > MAX_PARSED_CHARS or parser(snapshot.language) is None:
        return None
    known = _trees.pop(snapshot.uri, None)
    if known is not None and known.language == snapshot.language:
        syntax = known.retyped(snapshot.text)
    else:
        syntax = Syntax.from_text(snapshot.language, snapshot.text)
    _trees[snapshot.uri] = syntax
    while len(_trees) > _MAX_TREES:
        _trees.popitem(last=False)
    return syntax


def forget(uri: str) -> None:
    """Drop the tree of a closed document."""
    _trees.pop(uri, None)

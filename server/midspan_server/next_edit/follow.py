"""Follow the rename: a name was changed where it is declared, and its uses still have the old one.

Nothing is proposed unless the renamed place is a declaration (or belongs to a rename that began at
one): whoever changes `foo(x)` to `foo(y)` with both declared chose another variable.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from midspan_server import syntax
from midspan_server.next_edit.binding import Classes, resolve, uses
from midspan_server.next_edit.elsewhere import uses_elsewhere
from midspan_server.next_edit.naming import naming
from midspan_server.next_edit.occurrences import Occurrence, occurrences
from midspan_server.next_edit.proposal import Proposal
from midspan_server.next_edit.renames import Rename, names, recent_renames

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from midspan_server.next_edit.binding import Target
    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax import Syntax

# A shorter name of a whole file or of a class is written in too many senses.
_SHORTEST_SHARED = 3
_REMEMBERED = 32
_MOST_HUNKS = 8
_SHORTHANDS = frozenset({"shorthand_property_identifier", "shorthand_field_initializer"})


class Renames:
    """Finds the uses that a rename left behind, and remembers which renames began at a declaration.

    The hunk of the declaration may leave the bounded history before the last use is followed.
    """

    def __init__(self) -> None:
        self._declared: OrderedDict[Rename, None] = OrderedDict()

    def proposals(
        self, recent: Sequence[Hunk], documents: Sequence[DocumentSnapshot]
    ) -> list[Proposal]:
        """Edits for what is left of the newest rename that left anything, in document order.

        Args:
            recent: Hunks, newest last.
            documents: What is open, latest used first; other files are looked at in this order.
        """
        by_uri = {one.uri: one for one in documents}
        tried: set[Rename] = set()
        for rename, hunk in recent_renames(recent[-_MOST_HUNKS:]):
            home = self._home(rename, by_uri)
            if rename in tried or home is None:
                continue
            tried.add(rename)
            found = self._left(rename, hunk, recent, home, documents)
            if found:
                return found
        return []

    def _home(
        self, rename: Rename, documents: dict[str, DocumentSnapshot]
    ) -> DocumentSnapshot | None:
        """The document that declares the name, for a hunk in one that only uses it."""
        for known in reversed(self._declared):
            if (known.old, known.new) == (rename.old, rename.new) and known.uri in documents:
                return documents[known.uri]
        return documents.get(rename.uri)

    def _left(
        self,
        rename: Rename,
        hunk: Hunk,
        recent: Sequence[Hunk],
        home: DocumentSnapshot,
        documents: Sequence[DocumentSnapshot],
    ) -> list[Proposal]:
        tree, rules = syntax.parse(home), naming(home.language)
        if tree is None or rules is None:
            return []
        news = occurrences(tree, rename.new)
        classes = Classes(tree.data, rules)
        at_home = Rename(home.uri, rename.old, rename.new)
        places = list(_places(_same(at_home, hunk, recent), home, news))
        target = self._target(at_home, places, news, classes)
        if target is None or not _is_long_enough(rename.old, target):
            return []
        olds = occurrences(tree, rename.old)
        found = uses(target, olds, news, classes, rules)
        proposals = [_proposal(home, tree, one, rename) for one in found]
        # While the old name is still declared here, uses elsewhere mean that declaration.
        if not target.is_top_level or any(one.is_strong and one.scope is None for one in olds):
            return proposals
        for other in documents:
            if other.uri != home.uri:
                proposals += _elsewhere(rename, home, other)
        return proposals

    def _target(
        self,
        rename: Rename,
        places: list[tuple[Hunk, Occurrence]],
        news: list[Occurrence],
        classes: Classes,
    ) -> Target | None:
        rules = classes.rules
        is_known = rename in self._declared
        for hunk, place in places:
            declares = place.binding is not None and rename.new in names(hunk).added
            if not is_known and not declares:
                continue
            target = resolve(place, news, classes, rules)
            # What had the new name before was chosen, not renamed.
            if target is not None and (is_known or target.declared_at == place.start):
                self._remember(rename)
                return target
        if not is_known:
            return None
        # The hunks that are left are in other files.
        bound = [one for one in news if one.binding is not None and one.scope is None]
        return resolve(bound[0], news, classes, rules) if len(bound) == 1 else None

    def _remember(self, rename: Rename) -> None:
        self._declared[rename] = None
        self._declared.move_to_end(rename)
        while len(self._declared) > _REMEMBERED:
            self._declared.popitem(last=False)


def _same(rename: Rename, newest: Hunk, recent: Sequence[Hunk]) -> list[Hunk]:
    """The hunks of the document that wrote the new name, the newest rename first."""
    wrote = [one for one in reversed(recent) if rename.new in names(one).added]
    chosen = [newest, *(one for one in wrote if one is not newest)]
    return [one for one in chosen if one.uri == rename.uri]


def _places(
    chosen: list[Hunk], home: DocumentSnapshot, news: list[Occurrence]
) -> Iterable[tuple[Hunk, Occurrence]]:
    """Identifiers that the hunks wrote, declarations of each hunk first."""
    for hunk in chosen:
        first, last = hunk.line, min(hunk.last_line, home.line_count - 1)
        inside = [one for one in news if first <= one.node.start_point.row <= last]
        for one in sorted(inside, key=lambda one: (one.binding is None, one.start)):
            yield hunk, one


def _is_long_enough(old: str, target: Target) -> bool:
    is_shared = target.member_of != "" or (target.is_plain and target.scope is None)
    return len(old) >= _SHORTEST_SHARED or not is_shared


def _proposal(
    snapshot: DocumentSnapshot, tree: Syntax, one: Occurrence, rename: Rename
) -> Proposal:
    parent = one.node.parent
    is_shorthand = one.node.type in _SHORTHANDS or (
        parent is not None and parent.type in _SHORTHANDS
    )
    return Proposal(
        snapshot=snapshot,
        start=tree.offset_of(one.start),
        end=tree.offset_of(one.end),
        # `{width}` has the variable's name as its key, which nobody renamed.
        text=f"{rename.old}: {rename.new}" if is_shorthand else rename.new,
        label=f"rename {rename.old} to {rename.new}",
        cause=f"{rename.old} {rename.new}",
    )


def _elsewhere(rename: Rename, home: DocumentSnapshot, other: DocumentSnapshot) -> list[Proposal]:
    if len(rename.old) < _SHORTEST_SHARED or naming(other.language) is not naming(home.language):
        return []
    tree = syntax.parse(other) if rename.old in other.text else None
    if tree is None:
        return []
    found = uses_elsewhere(home, other, tree, rename)
    return [_proposal(other, tree, one, rename) for one in found]

"""Follow the rename: a name was changed where it is declared, and its uses still have the old one.

Nothing is proposed unless the renamed place is a declaration (or belongs to a rename that began at
one): whoever changes `foo(x)` to `foo(y)` with both declared chose another variable.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from itertools import chain
from typing import TYPE_CHECKING

from midspan_server import syntax
from midspan_server.next_edit.arguments import arguments_elsewhere, taker
from midspan_server.next_edit.binding import Classes, captures, resolve, shorthand_keys, uses
from midspan_server.next_edit.elsewhere import may_use, uses_elsewhere
from midspan_server.next_edit.naming import naming
from midspan_server.next_edit.occurrences import Occurrence, occurrences
from midspan_server.next_edit.proposal import Proposal, in_reading_order
from midspan_server.next_edit.renames import Rename, names, recent_renames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from midspan_server.next_edit.binding import Target
    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax import Syntax

# A shorter name of a class, or in another file, is written in too many senses.
_SHORTEST_SHARED = 3
_REMEMBERED = 32
_MOST_HUNKS = 16
# For files beside the one that declares the name.
_SEARCH_S = 0.06
_SHORTHANDS = frozenset({"shorthand_property_identifier", "shorthand_field_initializer"})


def under_way(recent: Sequence[Hunk]) -> set[str]:
    """The names, old and new, that the last hunks (newest last) exchanged."""
    found = recent_renames([one for one in recent if not one.is_formatting][-_MOST_HUNKS:])
    return {name for rename, _ in found for name in (rename.old, rename.new)}


class Renames:
    """Finds the uses that a rename left behind, and remembers which renames began at a declaration.

    The hunk of the declaration may leave the bounded history before the last use is followed.
    """

    def __init__(self) -> None:
        # And whether what was renamed is a name of the whole file.
        self._declared: OrderedDict[Rename, bool] = OrderedDict()

    @property
    def declared(self) -> frozenset[tuple[str, str]]:
        """Old and new names of the renames that began at a declaration."""
        return frozenset((one.old, one.new) for one in self._declared)

    def proposals(
        self,
        recent: Sequence[Hunk],
        documents: Sequence[DocumentSnapshot],
        uri: str = "",
        offset: int = 0,
    ) -> Iterator[Proposal]:
        """Edits for what is left of the newest rename that left anything, nearest first.

        A document is searched when the edits of those before it are taken from the iterator.

        Args:
            recent: Hunks, newest last.
            documents: What is open, latest used first; other files are looked at in this order.
            uri: Document that the cursor is in; it comes first.
            offset: Of the cursor.
        """
        by_uri = {one.uri: one for one in documents}
        tried: set[Rename] = set()
        for rename, hunk in recent_renames(recent[-_MOST_HUNKS:]):
            home = self._home(rename, by_uri)
            if rename in tried or home is None:
                continue
            tried.add(rename)
            order = {uri: 0, home.uri: 1}
            ordered = sorted(documents, key=lambda one: order.get(one.uri, 2))
            found = chain.from_iterable(
                in_reading_order(some, uri, offset if some[0].snapshot.uri == uri else 0)
                for some in self._left(rename, hunk, recent, home, ordered)
            )
            first = next(found, None)
            if first is not None:
                yield first
                yield from found
                return

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
    ) -> Iterator[list[Proposal]]:
        """The edits of one document after the other, of those that have any."""
        tree, rules = syntax.parse(home), naming(home.language)
        if tree is None or rules is None:
            return
        news = occurrences(tree, rename.new)
        classes = Classes(tree.data, rules)
        at_home = Rename(home.uri, rename.old, rename.new)
        places = list(_places(_same(at_home, hunk, recent), home, news))
        target = self._target(at_home, places, news, classes)
        if target is None or not _is_long_enough(rename.old, target):
            return
        olds = occurrences(tree, rename.old)
        plain = uses(target, olds, news, classes, rules, rename.old)
        keyed = shorthand_keys(target, olds, classes)
        found = [_proposal(home, tree, one, rename) for one in plain if one not in keyed]
        found += [_proposal(home, tree, one, rename, is_key=True) for one in keyed]
        found.sort(key=lambda one: one.start)
        # While the old name is still declared here, uses elsewhere mean that declaration.
        is_shared = target.is_top_level and not any(
            one.is_strong and one.scope is None for one in olds
        )
        name = taker(target, tree, olds)
        deadline = time.perf_counter() + _SEARCH_S
        for document in documents:
            some = found if document.uri == home.uri else []
            is_wanted = document.uri != home.uri and (is_shared or name)
            if is_wanted and time.perf_counter() < deadline:
                some = _elsewhere(rename, home, document, name)
            if some:
                yield some

    def _target(
        self,
        rename: Rename,
        places: list[tuple[Hunk, Occurrence]],
        news: list[Occurrence],
        classes: Classes,
    ) -> Target | None:
        rules = classes.rules
        is_known = rename in self._declared
        written = [(hunk.line, hunk.last_line) for hunk, _ in places]
        for hunk, place in places:
            declares = place.binding is not None and rename.new in names(hunk).added
            if not is_known and not declares:
                continue
            target = resolve(place, news, classes, rules)
            # What had the new name before was chosen, not renamed.
            is_first = target is not None and target.declared_at == place.start
            if target is not None and not is_known and captures(target, news, written, classes):
                return None
            if target is not None and (is_known or is_first):
                self._remember(rename, target)
                return target
        if not self._declared.get(rename):
            return None
        # The hunks that are left are in other files.
        bound = [one for one in news if one.binding is not None and one.scope is None]
        return resolve(bound[0], news, classes, rules) if len(bound) == 1 else None

    def _remember(self, rename: Rename, target: Target) -> None:
        self._declared[rename] = target.is_top_level
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
    return len(old) >= _SHORTEST_SHARED or not target.member_of


def _proposal(
    snapshot: DocumentSnapshot,
    tree: Syntax,
    one: Occurrence,
    rename: Rename,
    *,
    is_key: bool = False,
) -> Proposal:
    parent = one.node.parent
    is_shorthand = one.node.type in _SHORTHANDS or (
        parent is not None and parent.type in _SHORTHANDS
    )
    text = rename.new
    if is_key:
        text = f"{rename.new}: {rename.old}"
    elif is_shorthand:
        # `{width}` has the variable's name as its key, which nobody renamed.
        text = f"{rename.old}: {rename.new}"
    return Proposal(
        snapshot=snapshot,
        start=tree.offset_of(one.start),
        end=tree.offset_of(one.end),
        text=text,
        label=f"rename {rename.old} to {rename.new}",
        cause=f"{rename.old} {rename.new}",
    )


def _elsewhere(
    rename: Rename, home: DocumentSnapshot, other: DocumentSnapshot, called: str
) -> list[Proposal]:
    """Uses of a top-level name of `home`, or of a keyword of what is `called` so."""
    is_known = naming(other.language) is naming(home.language) and called in other.text
    if len(rename.old) < _SHORTEST_SHARED or not is_known:
        return []
    tree = syntax.parse(other) if may_use(home, other, rename.old) else None
    if tree is None:
        return []
    if called:
        found = arguments_elsewhere(home, other, tree, called, rename.old)
    else:
        found = uses_elsewhere(home, other, tree, rename)
    return [_proposal(other, tree, one, rename) for one in found]

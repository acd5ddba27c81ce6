"""The places that bind a name, for names other than the one that is renamed.

A name is looked for as text and each hit is asked of the tree, so a comment or a string is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from midspan_server.next_edit.nesting import Nesting, Span, span_of
from midspan_server.next_edit.occurrences import enclosing, field_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter

    from midspan_server.next_edit.naming import Binding, Naming

_OUTWARD = frozenset({"global_statement", "nonlocal_statement"})


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A place that binds a name.

    Attributes:
        leaf: The name.
        kind: How it is bound.
        path: The nodes from the name's parent to the one that binds it.
        scope: Node that the binding holds in; None for the whole file.
        is_member: It is written behind an object.
    """

    leaf: tree_sitter.Node
    kind: Binding
    path: tuple[tree_sitter.Node, ...]
    scope: tree_sitter.Node | None
    is_member: bool


class Bindings:
    """Finds what binds a name at a place.

    Args:
        data: The text in UTF-8.
        rules: Of its language.
    """

    def __init__(self, data: bytes, rules: Naming) -> None:
        self._data = data
        self._rules = rules
        self._leaves: dict[str, list[tree_sitter.Node]] = {}
        self._places: dict[str, list[Bound]] = {}
        self._scopes: dict[str, tuple[dict[Span, list[Bound]], Nesting]] = {}

    def leaves(self, name: str, near: tree_sitter.Node) -> list[tree_sitter.Node]:
        """All identifiers `name` of the document of `near`, in order."""
        if name not in self._leaves:
            self._leaves[name] = list(_leaves(self._data, name, near))
        return self._leaves[name]

    def places(self, name: str, near: tree_sitter.Node) -> list[Bound]:
        """All places of the document of `near` that bind `name`, in order."""
        if name not in self._places:
            leaves = self.leaves(name, near)
            found = [one for one in (_bound(leaf, self._rules) for leaf in leaves) if one]
            self._places[name] = _outward(found, leaves, self._rules)
        return self._places[name]

    def seen_from(self, name: str, use: tree_sitter.Node) -> list[Bound]:
        """The places that may have bound the plain name `name` for `use`: all in one scope."""
        if name not in self._scopes:
            self._scopes[name] = self._by_scope(name, use)
        by_scope, nesting = self._scopes[name]
        span = nesting.innermost(use.start_byte)
        seen = by_scope[span] if span is not None else []
        if not self._rules.relets:
            return seen
        before = [one for one in seen if _life(one) <= use.start_byte]
        return before[-1:]

    def _by_scope(
        self, name: str, near: tree_sitter.Node
    ) -> tuple[dict[Span, list[Bound]], Nesting]:
        by_scope: dict[Span, list[Bound]] = {}
        changed = []
        for one in self.places(name, near):
            if one.is_member or self._is_hidden(one) or _is_constructor(one):
                continue
            if one.kind == "assigned" and not self._rules.hoists:
                changed.append(one)
            else:
                by_scope.setdefault(span_of(one.scope), []).append(one)
        nesting = Nesting(by_scope)
        for one in changed:
            span = nesting.innermost(one.leaf.start_byte)
            if span is not None:
                by_scope[span].append(one)
        return by_scope, nesting

    def _is_hidden(self, one: Bound) -> bool:
        """Whether it is a member that is only found through an object."""
        inside = one.scope is not None and one.scope.type in self._rules.classes
        return inside and not self._rules.implicit


def _leaves(data: bytes, name: str, near: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    root = near
    while root.parent is not None:
        root = root.parent
    word = re.escape(name.encode("utf-8", "replace"))
    for hit in re.finditer(rb"(?<![\w$\x80-\xff])%b(?![\w$\x80-\xff])" % word, data):
        leaf = root.descendant_for_byte_range(*hit.span())
        if leaf is not None and leaf.child_count == 0 and "identifier" in leaf.type:
            yield leaf


def _bound(leaf: tree_sitter.Node, rules: Naming) -> Bound | None:
    child, parent = leaf, leaf.parent
    is_member = parent is not None and (parent.type, field_of(leaf, parent)) in rules.members
    if is_member and parent is not None:
        child, parent = parent, parent.parent
    path: list[tree_sitter.Node] = []
    while parent is not None and rules.may_bind(parent.type):
        edge = (parent.type, field_of(child, parent))
        path.append(parent)
        kind = rules.bindings.get(edge)
        if kind is not None:
            return Bound(leaf, kind, tuple(path), _scope(kind, parent, rules), is_member)
        if edge not in rules.patterns:
            return None
        child, parent = parent, parent.parent
    return None


def _scope(kind: Binding, binder: tree_sitter.Node, rules: Naming) -> tree_sitter.Node | None:
    if kind == "parameter":
        if binder.type in rules.functions:
            return binder
        return next(enclosing(binder, rules.functions), binder.parent)
    if kind in {"assigned", "loop"}:
        return next(enclosing(binder, rules.functions | rules.classes), None)
    if binder.type == "for_in_statement" or binder.type in rules.blocks:
        return binder
    return next(enclosing(binder, rules.scopes), None)


def _outward(found: list[Bound], leaves: list[tree_sitter.Node], rules: Naming) -> list[Bound]:
    """Python's `global` and `nonlocal` bind outside of the function that they stand in."""
    moved: dict[Span, tree_sitter.Node | None] = {}
    for leaf in leaves:
        if leaf.parent is not None and leaf.parent.type in _OUTWARD:
            function = next(enclosing(leaf, rules.functions), None)
            around = (
                None
                if function is None or leaf.parent.type == "global_statement"
                else next(enclosing(function, rules.functions), None)
            )
            moved[span_of(function)] = around
    return [
        replace(one, scope=moved[span_of(one.scope)]) if span_of(one.scope) in moved else one
        for one in found
    ]


def _is_constructor(one: Bound) -> bool:
    name = one.scope.child_by_field_name("name") if one.scope is not None else None
    return one.kind in {"function", "prototype"} and name is not None and name.text == one.leaf.text


def _life(one: Bound) -> int:
    """Where a variable begins to be seen."""
    binder = one.path[-1]
    return binder.end_byte if binder.type == "let_declaration" else one.leaf.start_byte

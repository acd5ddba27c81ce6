"""What an identifier is where the types of its nodes alone do not say it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from midspan_server.next_edit.keys import key_of, key_of_initializer
from midspan_server.next_edit.nesting import Span, span_of
from midspan_server.next_edit.objects import text_of
from midspan_server.next_edit.occurrences import enclosing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import tree_sitter

    from midspan_server.next_edit.naming import Naming
    from midspan_server.next_edit.objects import Objects
    from midspan_server.next_edit.occurrences import Occurrence

_OUTWARD = frozenset({"global_statement", "nonlocal_statement"})


def read(one: Occurrence, objects: Objects) -> Occurrence:
    """The occurrence without a meaning that it has by its looks only."""
    parent = one.node.parent
    if parent is None:
        return one
    if parent.type == "token_tree":
        return _in_macro(one)
    if key_of_initializer(one.node) is not None:
        return replace(one, is_foreign=True)
    is_field = one.node.type == "field_identifier" and parent.type == "field_pattern"
    if is_field or (parent.type == "literal_element" and key_of(one.node, objects) is not None):
        return replace(one, binding=None, scope=None, is_foreign=True)
    return one


def _in_macro(one: Occurrence) -> Occurrence:
    """Rust does not know what a macro's tokens are, so their neighbours have to say it."""
    before, behind = one.node.prev_sibling, one.node.next_sibling
    if before is not None and before.type == "." and before.prev_sibling is not None:
        return replace(one, owner=text_of(before.prev_sibling))
    around = one.node.parent
    if around is not None and text_of(around).startswith("{"):
        # What may be a literal with the variable's name as its key.
        ends = {near.type for near in (before, behind) if near is not None}
        literal = around.prev_sibling
        if ends <= {"{", ",", "}"} and literal is not None and literal.type == "identifier":
            return replace(one, is_foreign=True)
    is_path = before is not None and before.type == "::"
    if is_path or (behind is not None and behind.type in {":", "="}):
        return replace(one, is_foreign=True)
    return one


def outward(
    names: Iterable[Occurrence], statements: Sequence[Occurrence], rules: Naming
) -> list[Occurrence]:
    """The names with the scopes that Python's `global` and `nonlocal` give them.

    Args:
        names: All identifiers of a name.
        statements: Those that may stand in such a statement; some may have a new name already.
        rules: Of the language.
    """
    moved: dict[Span, tree_sitter.Node | None] = {}
    names = list(names)
    for one in statements:
        above = one.node.parent
        function = next(enclosing(one.node, rules.functions), None)
        if above is not None and function is not None and above.type in _OUTWARD:
            is_global = above.type == "global_statement"
            moved[span_of(function)] = None if is_global else _binder_around(function, names, rules)
    return [
        replace(one, scope=moved[span_of(one.scope)])
        if one.binding is not None and one.is_plain and span_of(one.scope) in moved
        else one
        for one in names
    ]


def _binder_around(
    function: tree_sitter.Node, names: Sequence[Occurrence], rules: Naming
) -> tree_sitter.Node | None:
    bound = {span_of(one.scope) for one in names if one.binding is not None}
    around = list(enclosing(function, rules.functions))
    binding = [one for one in around if span_of(one) in bound]
    return next(iter(binding or around), None)

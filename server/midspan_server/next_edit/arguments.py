"""Keyword arguments, in other files, for a parameter or a field that was renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.elsewhere import is_home
from midspan_server.next_edit.imports import is_from, origin
from midspan_server.next_edit.occurrences import Occurrence, enclosing, occurrences

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tree_sitter

    from midspan_server.next_edit.binding import Target
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax import Syntax

_CALL = frozenset({"call"})
_DEFINITIONS = frozenset({"function_definition", "class_definition"})


def taker(target: Target, tree: Syntax, olds: Sequence[Occurrence]) -> str:
    """The function or class that takes what was renamed as a keyword; "" where it is not sure.

    Args:
        target: What was renamed.
        tree: Of its file.
        olds: What has the old name there.
    """
    if len(target.calls) != 1:
        return ""
    [name] = target.calls
    bound = [one for one in occurrences(tree, name) if one.binding and one.is_plain]
    # Defined once, and for all of the file.
    definition = bound[0].node.parent if len(bound) == 1 and bound[0].scope is None else None
    if definition is None or definition.type not in _DEFINITIONS:
        return ""
    is_taken = any(one.binding == "parameter" and _defines(definition, one.scope) for one in olds)
    is_ours = target.member_of == name or _defines(definition, target.scope)
    return name if is_ours and not is_taken else ""


def _defines(definition: tree_sitter.Node, function: tree_sitter.Node | None) -> bool:
    """Whether `definition` is a function, or the class that it makes objects of."""
    if function is None or definition == function:
        return function is not None
    name = function.child_by_field_name("name")
    is_maker = name is not None and name.text == b"__init__"
    return is_maker and next(enclosing(function, _DEFINITIONS), None) == definition


def arguments_elsewhere(
    home: DocumentSnapshot, other: DocumentSnapshot, tree: Syntax, name: str, old: str
) -> list[Occurrence]:
    """The keywords `old` in `other` of calls that surely are of `name`, defined in `home`."""
    found = [one for one in occurrences(tree, old) if one.is_keyword]
    called = {one: _called(one.node) for one in found}
    ours = {one for one in set(called.values()) if _is_ours(one, name, tree, home, other)}
    return [one for one in found if called[one] in ours]


def _called(keyword: tree_sitter.Node) -> str:
    """The function of the call that has a keyword argument, as it is written."""
    call = next(enclosing(keyword, _CALL), None)
    function = call.child_by_field_name("function") if call is not None else None
    return "" if function is None or function.text is None else function.text.decode()


def _is_ours(
    called: str, name: str, tree: Syntax, home: DocumentSnapshot, other: DocumentSnapshot
) -> bool:
    owner, _, last = called.rpartition(".")
    if owner:
        return last == name and is_home(owner, tree, home, other)
    bound = [one for one in occurrences(tree, called) if one.is_plain and one.binding]
    taken = [found for one in bound if (found := origin(one.node)) is not None]
    return len(taken) == len(bound) and any(is_from(one, name, home, other) for one in taken)

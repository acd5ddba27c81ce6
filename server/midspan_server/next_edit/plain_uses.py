"""Uses of a name that is found by its scope: where it means what was renamed, and where not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midspan_server.next_edit.nesting import Nesting, Span, is_inside
from midspan_server.next_edit.objects import text_of
from midspan_server.next_edit.occurrences import Occurrence, enclosing
from midspan_server.next_edit.readings import outward, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import tree_sitter

    from midspan_server.next_edit.binding import Target
    from midspan_server.next_edit.classes import Classes
    from midspan_server.next_edit.naming import Naming

_BLOCKS = frozenset(
    {"block", "statement_block", "compound_statement", "module", "program", "statement_list"}
)
_FOREVER = 1 << 62


def plain_uses(
    target: Target, olds: Sequence[Occurrence], news: Sequence[Occurrence], rules: Naming
) -> list[Occurrence] | None:
    """The uses of a plain name, in order; None where the old name is still declared in the scope.

    Args:
        target: What was renamed.
        olds: All identifiers of the old name in the document.
        news: All identifiers of the new name.
        rules: Of the language.
    """
    statements = (*olds, *news)
    olds, news = outward(olds, statements, rules), outward(news, statements, rules)
    inside = [one for one in olds if _may_be(one, target)]
    again = [one for one in inside if one.binding is not None and one.scope == target.scope]
    life = _relet(target, again, news) if rules.relets else _life(target, again)
    if life is None:
        return None
    shadows = Nesting(_shadows((*olds, *news), target))
    return [
        one
        for one in inside
        if life[0] <= one.start < life[1]
        and not (rules.relets and one.binding is not None)
        and not (rules.hoists and _is_outside(one, target.scope))
        and shadows.innermost(one.start) is None
    ]


def captures(
    target: Target,
    news: Sequence[Occurrence],
    written: Sequence[tuple[int, int]],
    classes: Classes,
) -> bool:
    """Whether the new name was in use where it now means `target`.

    Args:
        target: What was renamed.
        news: All identifiers of the new name in the document.
        written: First and last lines of the hunks that wrote the new name.
        classes: Of the document.
    """
    if not target.is_plain:
        return False
    names = outward((read(one, classes.objects) for one in news), news, classes.rules)
    shadows = Nesting(_shadows(names, target))
    return any(
        _may_be(one, target)
        and shadows.innermost(one.start) is None
        and not any(first <= one.node.start_point.row <= last for first, last in written)
        for one in names
    )


def _may_be(one: Occurrence, target: Target) -> bool:
    """Whether `one` is found in the target's scope; a function's own name stands in its bytes."""
    is_there = one.is_plain and is_inside(one.start, target.scope)
    return is_there and (one.binding is None or one.scope == target.scope)


def _life(target: Target, again: Sequence[Occurrence]) -> Span | None:
    """The bytes in which the old name means `target`; None where that is not known."""
    if any(one.is_strong and not is_other_half(one, target) for one in again):
        return None
    weak = [one for one in again if not one.is_strong]
    if any(one.start < target.declared_at for one in weak):
        return None
    end = next((one.start for one in weak if _starts_anew(one, target)), None)
    return 0, _FOREVER if end is None else end


def _relet(target: Target, again: Sequence[Occurrence], news: Sequence[Occurrence]) -> Span | None:
    """The same where a later `let` makes another variable, once its value is known."""
    own = next((_let(one) for one in news if one.start == target.declared_at), None)
    if own is None or any(_let(one) is None for one in again):
        return None if any(one.is_strong for one in again) else (0, _FOREVER)
    later = [let for one in again if one.start > target.declared_at and (let := _let(one))]
    return own.end_byte, later[0].end_byte if later else _FOREVER


def _let(one: Occurrence) -> tree_sitter.Node | None:
    """The statement that declares a variable from its end on."""
    let = next(enclosing(one.node, frozenset({"let_declaration"})), None)
    is_own = one.binding == "variable" and let is not None and let.parent == one.scope
    return let if is_own else None


def _starts_anew(one: Occurrence, target: Target) -> bool:
    """Whether an assignment gives the old name a life of its own from here on."""
    if one.binding == "loop":
        return True
    statement = one.node.parent
    while statement is not None and statement.type not in {"assignment", "named_expression"}:
        statement = statement.parent
    if statement is None:
        return True
    value = statement.child_by_field_name("right")
    if value is None or re.search(rf"\b{re.escape(text_of(one.node))}\b", text_of(value)):
        return False
    block = next(enclosing(statement, _BLOCKS), None)
    return block is None or block.start_byte <= target.declared_at < block.end_byte


def _is_outside(one: Occurrence, scope: tree_sitter.Node | None) -> bool:
    """Whether Python reads `one`, a default or an annotation, where the function is defined."""
    if scope is None or one.binding is not None:
        return False
    header = (scope.child_by_field_name(field) for field in ("parameters", "return_type"))
    return any(part is not None and is_inside(one.start, part) for part in header)


def _shadows(names: Iterable[Occurrence], target: Target) -> set[Span]:
    """Bytes inside the target's scope where one of these names is something else."""
    found = set()
    for one in names:
        scope, start = one.scope, 0
        if one.node.parent is not None and one.node.parent.type == "global_statement":
            scope = next(enclosing(one.node, frozenset({"function_definition"})), None)
            if target.scope is None:
                continue
        elif one.binding is None or not one.is_plain:
            continue
        if scope is None or scope == target.scope:
            continue
        if (let := _let(one)) is not None:
            start = let.end_byte
        if is_inside(scope.start_byte, target.scope):
            found.add((max(start, scope.start_byte), scope.end_byte))
    return found


def is_other_half(one: Occurrence, target: Target) -> bool:
    """Whether `one` is the prototype of a function that was renamed, or the other way round."""
    halves = {"function", "prototype"}
    return one.binding not in target.bindings and {one.binding, *target.bindings} == halves

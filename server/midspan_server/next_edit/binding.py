"""What a renamed identifier is, and which identifiers of the old name meant the same thing.

The answers are careful: where two things may be meant, there is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.next_edit.classes import Classes
from midspan_server.next_edit.member_uses import is_constructor, member_uses, shorthand_keys
from midspan_server.next_edit.mentions import mentions
from midspan_server.next_edit.nesting import is_inside, span_of
from midspan_server.next_edit.objects import text_of
from midspan_server.next_edit.occurrences import Occurrence, enclosing
from midspan_server.next_edit.plain_uses import captures, plain_uses
from midspan_server.next_edit.readings import outward, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import tree_sitter

    from midspan_server.next_edit.naming import Naming

__all__ = ["Classes", "Target", "captures", "resolve", "shorthand_keys", "uses"]

_LAST_NAME = re.compile(r"(\w+)\W*$")


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The thing that was renamed.

    Attributes:
        scope: Where a plain name holds; None for the whole file.
        is_plain: Whether it is written as a plain name.
        member_of: Name of the class that it is a member of, "" for none.
        calls: Functions (classes, for their fields) that take it as a keyword argument.
        declared_at: Byte of its first binding.
        bindings: How it is bound, here and where else it is.
    """

    scope: tree_sitter.Node | None = None
    is_plain: bool = False
    member_of: str = ""
    calls: frozenset[str] = frozenset()
    declared_at: int = 0
    bindings: frozenset[str] = frozenset()

    @property
    def is_top_level(self) -> bool:
        """Whether other files can name it."""
        return self.is_plain and self.scope is None and "import" not in self.bindings


def resolve(
    place: Occurrence, news: Sequence[Occurrence], classes: Classes, rules: Naming
) -> Target | None:
    """What the new name means at `place`; None where it is bound nowhere, or more than once.

    Args:
        place: An identifier that a hunk wrote.
        news: All identifiers of that name in the document.
        classes: Of the document.
        rules: Of its language.
    """
    place = read(place, classes.objects)
    news = outward((read(one, classes.objects) for one in news), news, rules)
    if place.is_keyword:
        bound = [one for one in news if one.binding == "parameter"]
        called = _called(place.node)
        named = [one for one in bound if called in _takers(one)]
        return _of_binding(named[0], news) if len(named) == 1 else None
    if place.is_foreign:
        return None
    if place.owner is None:
        found = _innermost(news, place)
        if found is not None:
            return _of_binding(found, news)
        if not rules.implicit:
            return None
    return _member(place, news, classes)


def _member(place: Occurrence, news: Sequence[Occurrence], classes: Classes) -> Target | None:
    bound: dict[str, list[Occurrence]] = {}
    for one in news:
        if one.binding is not None and one.owner is not None:
            bound.setdefault(classes.of(one), []).append(one)
    if place.owner is None:
        name = classes.around(place.node)
    elif place.binding is not None:
        name = classes.of(place)
    else:
        name = classes.objects.owner_of(place.node)
    return _field(name, bound[name]) if name and name in bound else None


def _field(name: str, bound: Sequence[Occurrence]) -> Target | None:
    first = bound[0]
    declared = [one.binding for one in bound if one.is_strong or one.scope is not None]
    if len(declared) > 1 and set(declared) != {"function", "prototype"}:
        return None
    is_field = any(one.scope is not None and one.binding == "assigned" for one in bound)
    calls = frozenset({name}) if is_field else frozenset()
    return Target(
        member_of=name,
        calls=calls,
        declared_at=first.start,
        bindings=frozenset(one.binding or "" for one in bound),
    )


def _of_binding(found: Occurrence, news: Sequence[Occurrence]) -> Target | None:
    same = [one for one in news if one.is_plain and one.binding and one.scope == found.scope]
    strong = [one for one in same if one.is_strong]
    if len(strong) > 1 and {one.binding for one in strong} != {"function", "prototype"}:
        return None
    calls: frozenset[str] = frozenset()
    member = ""
    if found.binding == "parameter":
        calls = frozenset(_takers(found))
        holder = found.node.parent
        if holder is not None and any("accessibility" in one.type for one in holder.children):
            member = _name(next(enclosing(found.node, frozenset({"class_declaration"})), None))
    return Target(
        scope=found.scope,
        is_plain=True,
        member_of=member,
        calls=calls,
        declared_at=same[0].start,
        bindings=frozenset(one.binding or "" for one in same),
    )


def uses(
    target: Target,
    olds: Sequence[Occurrence],
    news: Sequence[Occurrence],
    classes: Classes,
    rules: Naming,
    name: str = "",
) -> list[Occurrence]:
    """The identifiers of the old name that meant `target`, in order; none where it is not sure.

    Args:
        target: What was renamed.
        olds: All identifiers of the old name in the document.
        news: All identifiers of the new name.
        classes: Of the document.
        rules: Of its language.
        name: The old name, for its mentions in strings once no identifier is left.
    """
    found: list[Occurrence] = []
    olds = [read(one, classes.objects) for one in olds]
    if target.is_plain:
        olds += _mentioned(target, olds, news, classes, name)
        plain = plain_uses(target, olds, news, rules)
        if plain is None:
            return []
        found += plain
    if "class" in target.bindings:
        found += [one for one in olds if is_constructor(one, target, news, classes)]
    if target.member_of:
        members = member_uses(target, olds, news, classes)
        if members is None:
            return []
        found += members
    if target.calls and not any(
        one.binding == "parameter" and target.calls & _takers(one) for one in olds
    ):
        found += [one for one in olds if one.is_keyword and _called(one.node) in target.calls]
    return sorted({one.start: one for one in found}.values(), key=lambda one: one.start)


def _mentioned(
    target: Target,
    olds: Sequence[Occurrence],
    news: Sequence[Occurrence],
    classes: Classes,
    name: str,
) -> list[Occurrence]:
    name = name or (text_of(olds[0].node) if olds else "")
    if not name or not (olds or news):
        return []
    near = (olds or news)[0].node
    return mentions(classes.data, name, span_of(target.scope), near)


def _innermost(names: Iterable[Occurrence], place: Occurrence) -> Occurrence | None:
    """The binding in the smallest scope around `place`."""
    bound = [
        one for one in names if one.is_plain and one.binding and is_inside(place.start, one.scope)
    ]
    return min(bound, key=lambda one: _size(one.scope), default=None)


def _size(scope: tree_sitter.Node | None) -> float:
    return float("inf") if scope is None else scope.end_byte - scope.start_byte


def _takers(parameter: Occurrence) -> frozenset[str]:
    """What is called to pass a parameter by its keyword."""
    scope = parameter.scope
    name = _name(scope)
    if scope is not None and name == "__init__":
        name = _name(next(enclosing(scope, frozenset({"class_definition"})), None))
    return frozenset({name} - {""})


def _called(keyword: tree_sitter.Node) -> str:
    """The last name of the function that a keyword argument goes to."""
    call = next(enclosing(keyword, frozenset({"call"})), None)
    function = call.child_by_field_name("function") if call is not None else None
    found = _LAST_NAME.search(text_of(function)) if function is not None else None
    return found[1] if found else ""


def _name(node: tree_sitter.Node | None) -> str:
    if node is None:
        return ""
    name = node.child_by_field_name("name") or node.child_by_field_name("type")
    return "" if name is None else text_of(name)

"""What a renamed identifier is, and which identifiers of the old name meant the same thing.

The answers are careful: where two things may be meant, there is none. Classes are known by their
names, since methods may stand outside of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.next_edit.occurrences import Occurrence, enclosing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import tree_sitter

    from midspan_server.next_edit.naming import Naming

_BLOCKS = frozenset(
    {"block", "statement_block", "compound_statement", "module", "program", "statement_list"}
)
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


class Classes:
    """Finds the class of a member, by the name of its object.

    Args:
        data: The text in UTF-8.
        rules: Of its language.
    """

    def __init__(self, data: bytes, rules: Naming) -> None:
        self._text = data.decode("utf-8", "replace")
        self.rules = rules
        self._objects: dict[str, frozenset[str]] = {}

    def around(self, node: tree_sitter.Node) -> str:
        """The class that a node stands in, also in a method outside of it; "" for none."""
        for above in enclosing(node, self.rules.classes | self.rules.functions):
            if above.type in self.rules.classes:
                return _name(above)
            declarator = above.child_by_field_name("declarator")
            named = declarator.child_by_field_name("declarator") if declarator else None
            owner = named.child_by_field_name("scope") if named else None
            if owner is not None:
                return _text(owner)
        return ""

    def of(self, declared: Occurrence) -> str:
        """The class that a member is declared in."""
        return declared.owner or "" if declared.scope is not None else self.around(declared.node)

    def has(self, member: Occurrence, name: str) -> bool:
        """Whether the object of `member` surely is of the class `name`."""
        if member.owner is None:
            return False
        if member.owner in self.rules.own or member.owner == "":
            return self.around(member.node) == name
        found = _LAST_NAME.search(member.owner)
        is_call = member.owner.endswith(")")
        if member.owner == name or (is_call and re.match(rf"(new\s+)?{name}\(", member.owner)):
            return True
        return not is_call and found is not None and found[1] in self._named(name)

    def _named(self, name: str) -> frozenset[str]:
        """Variables that are declared, annotated or made as objects of the class."""
        if name not in self._objects:
            cls = re.escape(name)
            made = rf"(\w+)\s*(?::[^=\n,)]*)?:?=\s*(?:new\s+|&)?{cls}\b\s*[({{]"
            noted = rf"(\w+)\s*:\s*[&*\"']?(?:mut\s+)?{cls}\b"
            declared = rf"\b{cls}(?:\s*[&*]\s*|\s+)(\w+)\s*[=;,){{(:]"
            hits = re.findall(f"{made}|{noted}|{declared}", self._text)
            self._objects[name] = frozenset(word for hit in hits for word in hit if word)
        return self._objects[name]


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
    for name in sorted(bound.keys() - {""}):
        if (place.owner is None and classes.around(place.node) == name) or (
            place.owner is not None and (place.owner == name or classes.has(place, name))
        ):
            return _field(name, bound[name])
    return None


def _field(name: str, bound: Sequence[Occurrence]) -> Target:
    first = bound[0]
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
) -> list[Occurrence]:
    """The identifiers of the old name that meant `target`, in order; none where it is not sure."""
    found: list[Occurrence] = []
    if target.is_plain:
        plain = _plain_uses(target, olds, news, rules)
        if plain is None:
            return []
        found += plain
    if "class" in target.bindings:
        found += [one for one in olds if _is_constructor(one, target, news, classes)]
    if target.member_of:
        members = _member_uses(target, olds, classes, rules)
        if members is None:
            return []
        found += members
    if target.calls and not any(
        one.binding == "parameter" and target.calls & _takers(one) for one in olds
    ):
        found += [one for one in olds if one.is_keyword and _called(one.node) in target.calls]
    return sorted({one.start: one for one in found}.values(), key=lambda one: one.start)


def _plain_uses(
    target: Target, olds: Sequence[Occurrence], news: Sequence[Occurrence], rules: Naming
) -> list[Occurrence] | None:
    """None where the old name is still declared in the scope."""
    inside = [one for one in olds if one.is_plain and _within(one, target.scope)]
    again = [one for one in inside if one.binding is not None and one.scope == target.scope]
    if any(one.is_strong and not _is_other_half(one, target) for one in again):
        return None
    end = None
    for one in again:
        if one.is_strong:
            continue
        if one.start < target.declared_at:
            return None
        if end is None and _starts_anew(one, target):
            end = one.start
    shadows = _inner_scopes((*olds, *news), target)
    return [
        one
        for one in inside
        if (end is None or one.start < end)
        and not (rules.hoists and _is_outside(one, target.scope))
        and not any(start <= one.start < behind for start, behind in shadows)
    ]


def _is_other_half(one: Occurrence, target: Target) -> bool:
    """Whether `one` is the prototype of a function that was renamed, or the other way round."""
    halves = {"function", "prototype"}
    return one.binding not in target.bindings and {one.binding, *target.bindings} == halves


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
    if value is None or re.search(rf"\b{re.escape(_text(one.node))}\b", _text(value)):
        return False
    block = next(enclosing(statement, _BLOCKS), None)
    return block is None or block.start_byte <= target.declared_at < block.end_byte


def _is_outside(one: Occurrence, scope: tree_sitter.Node | None) -> bool:
    """Whether Python reads `one`, a default or an annotation, where the function is defined."""
    parameters = scope.child_by_field_name("parameters") if scope is not None else None
    return (
        parameters is not None
        and one.binding is None
        and parameters.start_byte <= one.start < parameters.end_byte
    )


def _inner_scopes(names: Iterable[Occurrence], target: Target) -> set[tuple[int, int]]:
    """Bytes of the scopes inside the target's that bind one of these names."""
    scopes = {
        (one.scope.start_byte, one.scope.end_byte): one.scope
        for one in names
        if one.binding is not None and one.is_plain and one.scope is not None
    }
    return {
        span
        for span, scope in scopes.items()
        if scope != target.scope and (target.scope is None or _holds(target.scope, scope))
    }


def _member_uses(
    target: Target, olds: Sequence[Occurrence], classes: Classes, rules: Naming
) -> list[Occurrence] | None:
    found = []
    bound = [one for one in olds if one.binding is not None]
    for one in olds:
        if one.owner is not None:
            is_ours = one.binding is not None and classes.of(one) == target.member_of
            declares = is_ours and (one.is_strong or one.scope is not None)
            if declares and not _is_other_half(one, target):
                return None
            if is_ours and not declares and one.start < target.declared_at:
                return None
            if declares or classes.has(one, target.member_of):
                found.append(one)
        elif (
            rules.implicit
            and one.is_plain
            and one.binding is None
            and _innermost(bound, one) is None
            and classes.around(one.node) == target.member_of
        ):
            found.append(one)
    return found


def _is_constructor(
    one: Occurrence, target: Target, news: Sequence[Occurrence], classes: Classes
) -> bool:
    """Whether `one` names a constructor of the class that was renamed."""
    if one.binding not in {"function", "prototype"} or one.owner is None:
        return False
    renamed = next((_text(new.node) for new in news if new.start == target.declared_at), "")
    function = one.node.parent
    while function is not None and function.type.endswith(("declarator", "_identifier")):
        function = function.parent
    returns = function is not None and (
        function.child_by_field_name("type") or function.child_by_field_name("returns")
    )
    own = one.owner if one.scope is not None else _text(one.node)
    return not returns and own in {renamed, classes.around(one.node), _text(one.node)}


def _innermost(names: Iterable[Occurrence], place: Occurrence) -> Occurrence | None:
    """The binding in the smallest scope around `place`."""
    bound = [one for one in names if one.is_plain and one.binding and _within(place, one.scope)]
    return min(bound, key=lambda one: _size(one.scope), default=None)


def _size(scope: tree_sitter.Node | None) -> float:
    return float("inf") if scope is None else scope.end_byte - scope.start_byte


def _within(one: Occurrence, scope: tree_sitter.Node | None) -> bool:
    return scope is None or scope.start_byte <= one.start < scope.end_byte


def _holds(outer: tree_sitter.Node, inner: tree_sitter.Node) -> bool:
    return outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte


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
    found = _LAST_NAME.search(_text(function)) if function is not None else None
    return found[1] if found else ""


def _name(node: tree_sitter.Node | None) -> str:
    if node is None:
        return ""
    name = node.child_by_field_name("name") or node.child_by_field_name("type")
    return "" if name is None else _text(name)


def _text(node: tree_sitter.Node) -> str:
    return "" if node.text is None else node.text.decode("utf-8", "replace")

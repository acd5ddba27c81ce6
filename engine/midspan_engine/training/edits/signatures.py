"""Changes of a signature that the calls have to follow (Python, JavaScript, TypeScript)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.training.edits.naming import new_name
from midspan_engine.training.edits.renames import taken_names
from midspan_engine.training.edits.revision import Change
from midspan_engine.training.edits.syntax import (
    CLASSES,
    FUNCTIONS,
    arguments_of,
    enclosing,
    walk,
)

if TYPE_CHECKING:
    import numpy as np
    from tree_sitter import Node

    from midspan_engine.training.edits.syntax import SourceTree

_FEWEST_CALLS, _MOST_CALLS = 2, 16
_CALLS = frozenset({"call", "call_expression"})
_CHAINED = frozenset({"attribute", "subscript", "call", "member_expression", "call_expression"})
_NOT_ASYNC = frozenset({"__init__", "constructor"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Called:
    """A function and the places of the file that call it."""

    definition: Node
    parameters: Node
    calls: list[Node]


def add_parameter(tree: SourceTree, rng: np.random.Generator) -> list[Change] | None:
    """One more parameter at the end; every call passes it on."""
    for called in _called(tree, rng):
        listed = called.parameters.named_children
        if any(arguments_of(call) is None for call in called.calls) or not _plain(listed):
            continue
        name = new_name("context", taken_names(tree), rng)
        defaults = any("default" in node.type or "=" in tree.of(node) for node in listed)
        optional = defaults and tree.language == "python"
        added = f"{name}=None" if optional else name
        if tree.language == "typescript":
            added = f"{name}: {rng.choice(['string', 'number', 'boolean', 'Options'])}"
        value = _value(name, tree, rng)
        value = f"{name}={value}" if optional else value
        return [
            _appended(tree, called.parameters, added),
            *(
                _appended(tree, call.child_by_field_name("arguments"), value)
                for call in called.calls
            ),
        ]
    return None


def to_options(tree: SourceTree, rng: np.random.Generator) -> list[Change] | None:
    """Positional arguments become keywords (Python) or one object (JavaScript, TypeScript)."""
    for called in _called(tree, rng):
        listed = called.parameters.named_children
        given = [arguments_of(call) for call in called.calls]
        found = [arguments for arguments in given if arguments is not None]
        if len(found) < len(given) or not _plain(listed):
            continue
        change = _to_object if tree.is_script else _to_keywords
        changes = change(tree, called, found)
        if changes:
            return changes
    return None


def to_async(tree: SourceTree, rng: np.random.Generator) -> list[Change] | None:
    """A function becomes a coroutine: its calls are awaited, its callers follow."""
    for called in _called(tree, rng):
        callers = [enclosing(call, FUNCTIONS) for call in called.calls]
        holders = [caller for caller in callers if caller is not None]
        if len(holders) < len(callers):
            continue
        keys = {node.start_byte: node for node in (called.definition, *holders)}
        places = [_async_place(tree, node) for node in keys.values()]
        if any(place is None and not _is_async(tree, node)
               for place, node in zip(places, keys.values(), strict=True)):  # fmt: skip
            continue
        marks = [Change(start=p, end=p, text="async ") for p in places if p is not None]
        return marks[:1] + sorted(
            [*marks[1:], *(change for call in called.calls for change in _awaited(call))],
            key=lambda change: change.start,
        )
    return None


def _called(tree: SourceTree, rng: np.random.Generator) -> list[_Called]:
    """Functions with enough calls in the file, in random order."""
    calls: dict[str, list[Node]] = {}
    for node in walk(tree.root):
        function = node.child_by_field_name("function") if node.type in _CALLS else None
        if function is not None:
            calls.setdefault(tree.of(function), []).append(node)
    found = []
    for definition in tree.functions():
        name = tree.name_of(definition)
        parameters = definition.child_by_field_name("parameters")
        if name is None or parameters is None:
            continue
        owner = "this." if tree.is_script else "self."
        prefix = owner if enclosing(definition, CLASSES) else ""
        named = calls.get(prefix + tree.of(name), [])
        lines = {call.start_point[0] for call in named}
        if _FEWEST_CALLS <= len(lines) == len(named) <= _MOST_CALLS:
            found.append(_Called(definition=definition, parameters=parameters, calls=named))
    rng.shuffle(found)
    return found


def _plain(parameters: list[Node]) -> bool:
    odd = {
        "list_splat_pattern", "dictionary_splat_pattern", "keyword_separator", "rest_pattern",
        "positional_separator", "comment", "object_pattern", "array_pattern",
    }  # fmt: skip
    return not any(
        node.type in odd or any(child.type in odd for child in node.children) for node in parameters
    )


def _value(name: str, tree: SourceTree, rng: np.random.Generator) -> str:
    owner = "this" if tree.is_script else "self"
    nothing = "null" if tree.is_script else "None"
    return str(rng.choice([name, name, name, nothing, f"{owner}.{name}"]))


def _appended(tree: SourceTree, listed: Node | None, text: str) -> Change:
    """`text` after the last element of a bracketed list."""
    assert listed is not None
    named = listed.named_children
    if not named:
        return Change(start=listed.start_byte + 1, end=listed.start_byte + 1, text=text)
    last = named[-1]
    on_its_own = tree.text[last.end_byte : listed.end_byte].lstrip(", ").startswith("\n")
    indent = tree.text[tree.text.rfind("\n", 0, last.start_byte) + 1 : last.start_byte]
    gap = "\n" + indent if on_its_own and not indent.strip() else " "
    return Change(start=last.end_byte, end=last.end_byte, text=f",{gap}{text}")


def _to_keywords(tree: SourceTree, called: _Called, given: list[list[Node]]) -> list[Change]:
    """All parameters after the first become keyword-only."""
    listed = [n for n in called.parameters.named_children if tree.of(n) not in {"self", "cls"}]
    names = [tree.of(node.named_children[0] if node.named_children else node) for node in listed]
    if len(listed) < 2 or not all(2 <= len(found) <= len(listed) for found in given):  # noqa: PLR2004
        return []
    place = listed[1].start_byte
    return [
        Change(start=place, end=place, text="*, "),
        *(
            Change(start=node.start_byte, end=node.start_byte, text=f"{name}=")
            for arguments in given
            for name, node in list(zip(names, arguments, strict=False))[1:]
        ),
    ]


def _to_object(tree: SourceTree, called: _Called, given: list[list[Node]]) -> list[Change]:
    listed = called.parameters.named_children
    if len(listed) < 2 or not all(len(found) == len(listed) for found in given):  # noqa: PLR2004
        return []
    pattern = [node.child_by_field_name("pattern") or node for node in listed]
    names = [tree.of(node) for node in pattern]
    if not all(name.isidentifier() for name in names):
        return []
    text = f"{{ {', '.join(names)} }}"
    if tree.language == "typescript":
        if not all(node.child_by_field_name("type") for node in listed):
            return []
        text += f": {{ {'; '.join(tree.of(node) for node in listed)} }}"
    changes = [Change(start=listed[0].start_byte, end=listed[-1].end_byte, text=text)]
    for arguments in given:
        pairs = zip(names, (tree.of(node) for node in arguments), strict=True)
        inner = ", ".join(name if name == value else f"{name}: {value}" for name, value in pairs)
        first, last = arguments[0].start_byte, arguments[-1].end_byte
        changes.append(Change(start=first, end=last, text=f"{{ {inner} }}"))
    return changes


def _is_async(tree: SourceTree, function: Node) -> bool:
    return "async" in {tree.of(child) for child in function.children[:3]}


def _async_place(tree: SourceTree, function: Node) -> int | None:
    """Where `async` is to be written; None if it stands there or cannot."""
    name = tree.name_of(function)
    special = name is not None and tree.of(name) in _NOT_ASYNC
    words = {tree.of(child) for child in function.children[:3]}
    if special or words & {"async", "get", "set", "*"}:
        return None
    decides = function.type == "method_definition" and name is not None
    return name.start_byte if decides and name is not None else function.start_byte


def _awaited(call: Node) -> list[Change]:
    parent = call.parent
    start, end = call.start_byte, call.end_byte
    head = parent.children[0] if parent is not None and parent.type in _CHAINED else None
    if head is not None and head == call:
        return [
            Change(start=start, end=start, text="(await "),
            Change(start=end, end=end, text=")"),
        ]
    return [Change(start=start, end=start, text="await ")]

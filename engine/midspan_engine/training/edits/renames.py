"""Renaming: a parameter or variable of a function, a function, a field of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.training.edits.naming import new_name
from midspan_engine.training.edits.revision import Change
from midspan_engine.training.edits.syntax import CLASSES, enclosing, is_field, walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from tree_sitter import Node

    from midspan_engine.training.edits.syntax import SourceTree

_FEWEST_USES, _MOST_USES = 3, 24
_SHORTEST = 2
_DECLARING = frozenset({
    "parameters", "formal_parameters", "required_parameter", "optional_parameter", "parameter",
    "default_parameter", "typed_parameter", "typed_default_parameter", "assignment_pattern",
    "variable_declarator", "assignment", "for_statement", "for_in_clause", "parameter_declaration",
    "pointer_declarator", "init_declarator", "let_declaration", "formal_parameter",
    "reference_declarator",
})  # fmt: skip
_NOT_THE_NAME = ("value", "type", "right", "body", "default_value")
# Where the grammar calls the name of a member an identifier too.
_MEMBERS = {
    "attribute": "attribute",
    "keyword_argument": "name",
    "field_access": "field",
    "method_invocation": "name",
    "qualified_identifier": "name",
    "scoped_identifier": "name",
}
_BLOCKED = frozenset({"shorthand_field_identifier", "shorthand_property_identifier_pattern"})
_KEPT = frozenset({"self", "cls", "this", "super", "args", "kwargs", "arguments"})


def rename_local(tree: SourceTree, rng: np.random.Generator) -> list[Change] | None:
    """A parameter or variable of one function, and all its uses there."""
    functions = tree.functions()
    rng.shuffle(functions)
    for function in functions[:6]:
        places = _identifiers(tree, function)
        names = sorted(
            name
            for name, nodes in places.items()
            if _is_fit(name, nodes) and any(_declares(node) for node in nodes)
        )
        if names:
            return _renamed(tree, places[str(rng.choice(names))], rng)
    return None


def rename_function(tree: SourceTree, rng: np.random.Generator) -> list[Change] | None:
    """A function of the file, and its uses by bare name."""
    places = _identifiers(tree, tree.root)
    defined: list[str] = []
    for function in tree.functions():
        name = tree.name_of(function)
        if name is not None and name.type == "identifier" and not enclosing(function, CLASSES):
            defined.append(tree.of(name))
    fit = sorted(n for n in set(defined) if n in places and _is_fit(n, places[n]))
    fit = [name for name in fit if defined.count(name) == 1]
    return _renamed(tree, places[str(rng.choice(fit))], rng) if fit else None


def rename_field(tree: SourceTree, rng: np.random.Generator) -> list[Change] | None:
    """A field of one class, wherever it is read or written through `self` or `this`."""
    classes = [node for node in walk(tree.root) if node.type in CLASSES]
    rng.shuffle(classes)
    for owner in classes[:4]:
        fields = _fields(tree, owner)
        names = sorted(name for name, nodes in fields.items() if _is_fit(name, nodes))
        if names:
            return _renamed(tree, fields[str(rng.choice(names))], rng)
    return None


def taken_names(tree: SourceTree) -> set[str]:
    """Every word that stands as an identifier of some sort."""
    return {tree.of(node) for node in walk(tree.root) if node.type.endswith("identifier")}


def _is_fit(name: str, nodes: list[Node]) -> bool:
    return (
        len(name) >= _SHORTEST
        and name not in _KEPT
        and not (name.startswith("__") and name.endswith("__"))
        and _FEWEST_USES <= len(nodes) <= _MOST_USES
        and not any(node.type in _BLOCKED for node in nodes)
        and len({node.start_point[0] for node in nodes}) >= _FEWEST_USES
    )


def _identifiers(tree: SourceTree, within: Node) -> dict[str, list[Node]]:
    """Nodes that name a variable, by name; members and labels are not among them."""
    kinds = {"identifier", "shorthand_property_identifier", *_BLOCKED}
    found: dict[str, list[Node]] = {}
    for node in walk(within):
        if node.type in kinds and not _is_member(node):
            found.setdefault(tree.of(node), []).append(node)
    return found


def _is_member(node: Node) -> bool:
    parent = node.parent
    field = _MEMBERS.get(parent.type) if parent is not None else None
    return field is not None and is_field(node, field)


def _declares(node: Node) -> bool:
    parent = node.parent
    if parent is not None and parent.type in {"expression_list", "pattern_list"}:
        node, parent = parent, parent.parent
        if parent is not None and parent.type == "short_var_declaration":
            return is_field(node, "left")
    if parent is None or parent.type not in _DECLARING:
        return False
    return not any(is_field(node, name) for name in _NOT_THE_NAME)


def _fields(tree: SourceTree, owner: Node) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    methods: set[str] = set()
    for node in walk(owner):
        name = _field_name(tree, node)
        if name is not None:
            found.setdefault(tree.of(name), []).append(name)
        elif node.type in {"function_definition", "method_definition"}:
            named = tree.name_of(node)
            methods |= {tree.of(named)} if named is not None else set()
    return {name: nodes for name, nodes in found.items() if name not in methods}


def _field_name(tree: SourceTree, node: Node) -> Node | None:
    if node.type == "attribute":
        owner = node.child_by_field_name("object")
        return node.child_by_field_name("attribute") if owner and tree.of(owner) == "self" else None
    if node.type == "member_expression":
        owner = node.child_by_field_name("object")
        return node.child_by_field_name("property") if owner and tree.of(owner) == "this" else None
    if node.type in {"public_field_definition", "field_definition"}:
        return node.child_by_field_name("name") or node.child_by_field_name("property")
    return None


def _renamed(tree: SourceTree, nodes: Iterable[Node], rng: np.random.Generator) -> list[Change]:
    nodes = list(nodes)
    old = tree.of(nodes[0])
    new = new_name(old, taken_names(tree), rng)
    return [
        Change(
            start=node.start_byte,
            end=node.end_byte,
            # `{ path }` is `{ path: path }` for short.
            text=f"{old}: {new}" if node.type == "shorthand_property_identifier" else new,
        )
        for node in nodes
    ]

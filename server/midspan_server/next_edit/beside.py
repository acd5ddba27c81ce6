"""What is written beside a name that is bound: its type, and its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tree_sitter

    from midspan_server.next_edit.bound import Bound

_VALUES = frozenset(
    {
        "assignment",
        "named_expression",
        "variable_declarator",
        "init_declarator",
        "let_declaration",
        "short_var_declaration",
        "var_spec",
        "const_spec",
        "assignment_expression",
        "public_field_definition",
        "field_definition",
        "static_item",
        "const_item",
    }
)
"""Binders whose value is the object; in a loop or a default it is not."""

_APART = frozenset(
    {
        "pattern_list",
        "tuple_pattern",
        "list_pattern",
        "list_splat_pattern",
        "dictionary_splat_pattern",
        "object_pattern",
        "array_pattern",
        "pair_pattern",
        "rest_pattern",
        "array_declarator",
        "slice_pattern",
        "tuple_struct_pattern",
        "struct_pattern",
        "as_pattern_target",
    }
)
"""Patterns that take an object apart: the type beside them is not the name's."""


def is_apart(one: Bound) -> bool:
    """Whether the name is for a part of what is written beside it."""
    return any(step.type in _APART for step in one.path)


def type_beside(one: Bound) -> tree_sitter.Node | None:
    """The type that is written with a binding."""
    above = one.path[-1].parent if one.path[-1].type == "variable_declarator" else None
    for step in (*one.path, above):
        noted = step.child_by_field_name("type") if step is not None else None
        if noted is not None:
            return noted
    return None


def value_beside(one: Bound) -> tree_sitter.Node | None:
    """What a binding gives its name; None where that is not one object that is written there."""
    holder = next((step for step in one.path if step.type in _VALUES), None)
    if holder is None:
        return None
    value = holder.child_by_field_name("right") or holder.child_by_field_name("value")
    if value is None and holder.named_child_count > 1:
        value = holder.named_children[-1]
    names = one.path[0] if one.path[0].type == "expression_list" else one.leaf.parent
    if value is None or value.type != "expression_list" or names is None:
        return value
    at = [child.start_byte for child in names.named_children].index(one.leaf.start_byte)
    is_paired = len(value.named_children) > at
    return value.named_children[at] if is_paired else None

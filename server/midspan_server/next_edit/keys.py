"""Fields that are named as keys: in a literal of their class, or in a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.next_edit.objects import text_of
from midspan_server.next_edit.occurrences import enclosing, field_of
from midspan_server.next_edit.props import expected_class, props_class
from midspan_server.next_edit.typenames import class_of_type

if TYPE_CHECKING:
    import tree_sitter

    from midspan_server.next_edit.objects import Objects

_SHORTHANDS = frozenset({"shorthand_property_identifier", "shorthand_property_identifier_pattern"})
_HOLDERS = frozenset({"pair", "pair_pattern", "object_assignment_pattern"})
_C_HOLDERS = frozenset({"initializer_list", "init_declarator", "compound_literal_expression"})
_LITERAL_IN_A_LIST = 2


@dataclass(frozen=True, slots=True)
class Key:
    """A key.

    Attributes:
        owner: The class that it is a field of, "" where that is not known.
        is_shorthand: It names a variable as well.
    """

    owner: str
    is_shorthand: bool = False


def key_of(leaf: tree_sitter.Node, objects: Objects) -> Key | None:
    """What an identifier is the key of; None for no key."""
    parent = leaf.parent
    found = None
    if parent is None:
        return None
    if parent.type == "literal_element":
        found = _go_key(parent, objects)
    elif parent.type in {"field_initializer", "shorthand_field_initializer"}:
        literal = next(enclosing(parent, frozenset({"struct_expression"})), None)
        if parent.type.startswith("short") or field_of(leaf, parent) == "field":
            found = _rust_key(literal, "name", leaf, objects)
    elif parent.type == "field_pattern" and field_of(leaf, parent) == "name":
        found = _rust_key(parent.parent, "type", leaf, objects)
    elif leaf.type in _SHORTHANDS or leaf.type == "property_identifier":
        found = _script_key(leaf, parent, objects)
    elif parent.type == "field_designator":
        found = Key(_c_owner(parent))
    elif (made := key_of_initializer(leaf)) is not None:
        named = made.child_by_field_name("type")
        found = Key(objects.type_name(named) if named is not None else "")
    return found


def key_of_initializer(leaf: tree_sitter.Node) -> tree_sitter.Node | None:
    """The expression of C# that makes an object and sets its member `leaf`; None for no such."""
    pair = leaf.parent
    values = pair.parent if pair is not None else None
    if pair is None or values is None or values.type != "initializer_expression":
        return None
    is_key = pair.type == "assignment_expression" and field_of(leaf, pair) == "left"
    return values.parent if is_key else None


def _go_key(element: tree_sitter.Node, objects: Objects) -> Key | None:
    pair = element.parent
    if pair is None or pair.type != "keyed_element" or field_of(element, pair) != "key":
        return None
    # A literal inside a list has its type from the list.
    lists, kind = 0, None
    for above in enclosing(pair, frozenset({"literal_value", "composite_literal"})):
        if above.type == "composite_literal":
            kind = above.child_by_field_name("type")
            break
        lists += 1
    if kind is None:
        return Key("")
    if lists == 1:
        return None if kind.type == "map_type" else Key(objects.type_name(kind))
    inner = kind.child_by_field_name("element") or kind.child_by_field_name("value")
    is_known = inner is not None and lists == _LITERAL_IN_A_LIST
    return Key(objects.type_name(inner) if inner is not None and is_known else "")


def _rust_key(
    literal: tree_sitter.Node | None, field: str, leaf: tree_sitter.Node, objects: Objects
) -> Key:
    name = literal.child_by_field_name(field) if literal is not None else None
    is_shorthand = leaf.type != "field_identifier"
    return Key("" if name is None else objects.type_name(name), is_shorthand)


def _script_key(leaf: tree_sitter.Node, parent: tree_sitter.Node, objects: Objects) -> Key | None:
    if parent.type == "jsx_attribute":
        return Key(props_class(parent, objects))
    is_shorthand = leaf.type in _SHORTHANDS
    if not is_shorthand and (parent.type, field_of(leaf, parent)) not in {
        ("pair", "key"),
        ("pair_pattern", "key"),
    }:
        return None
    holder = parent.parent if parent.type in _HOLDERS else parent
    return Key("" if holder is None else expected_class(holder, objects), is_shorthand)


def _c_owner(designator: tree_sitter.Node) -> str:
    lists = 0
    for above in enclosing(designator, _C_HOLDERS):
        if above.type == "initializer_list":
            lists += 1
            continue
        declarator = above.child_by_field_name("declarator")
        is_array = declarator is not None and declarator.type == "array_declarator"
        holder = above if above.type == "compound_literal_expression" else above.parent
        kind = holder.child_by_field_name("type") if holder is not None else None
        return class_of_type(text_of(kind)) if kind is not None and lists == 1 + is_array else ""
    return ""

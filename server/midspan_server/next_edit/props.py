"""The type that the JavaScript family expects of an object, a pattern or attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.objects import text_of
from midspan_server.next_edit.occurrences import enclosing

if TYPE_CHECKING:
    import tree_sitter

    from midspan_server.next_edit.bound import Bound
    from midspan_server.next_edit.objects import Objects

_TYPED = frozenset(
    {
        "variable_declarator",
        "public_field_definition",
        "required_parameter",
        "optional_parameter",
    }
)
_ASSERTIONS = frozenset({"as_expression", "satisfies_expression"})


def expected_class(node: tree_sitter.Node, objects: Objects) -> str:
    """The class that `node`, an object or the pattern of one, is declared to be of; "" if none."""
    around = node.parent
    while around is not None and around.type == "parenthesized_expression":
        node, around = around, around.parent
    kind = around.type if around is not None else ""
    found = ""
    if around is None:
        return found
    if kind in _TYPED:
        found = _declared(node, around, objects)
    elif kind in _ASSERTIONS:
        found = objects.type_name(around.named_children[-1])
    elif kind == "type_assertion":
        found = objects.type_name(around.named_children[0].named_children[0])
    elif kind == "return_statement":
        function = next(enclosing(around, objects.rules.functions), None)
        found = objects.returned(function) if function is not None else ""
    elif kind == "arrow_function":
        found = objects.returned(around)
    elif kind == "arguments" and around.parent is not None:
        found = _argument(node, around, around.parent, objects)
    return found


def props_class(attribute: tree_sitter.Node, objects: Objects) -> str:
    """The class that the attributes of a component are fields of; "" where it is not known."""
    element = attribute.parent
    name = element.child_by_field_name("name") if element is not None else None
    if name is None:
        return ""
    seen = objects.bindings.seen_from(text_of(name), name)
    return _parameter(seen[0], 0, objects) if len(seen) == 1 else ""


def _declared(node: tree_sitter.Node, around: tree_sitter.Node, objects: Objects) -> str:
    noted = around.child_by_field_name("type")
    if noted is not None:
        return objects.type_name(noted)
    value = around.child_by_field_name("value")
    is_pattern = node.type == "object_pattern" and around.type == "variable_declarator"
    return objects.of(value) if is_pattern and value is not None else ""


def _argument(
    node: tree_sitter.Node, arguments: tree_sitter.Node, call: tree_sitter.Node, objects: Objects
) -> str:
    function = objects.function(call) if call.type == "call_expression" else None
    at = [one.start_byte for one in arguments.named_children].index(node.start_byte)
    return _parameter(function, at, objects) if function is not None else ""


def _parameter(function: Bound, at: int, objects: Objects) -> str:
    """The class of a function's parameter, or of a variable's that holds one."""
    holder: tree_sitter.Node | None = function.path[-1]
    if holder is not None and holder.type == "variable_declarator":
        holder = holder.child_by_field_name("value")
    parameters = holder.child_by_field_name("parameters") if holder is not None else None
    if parameters is None or len(parameters.named_children) <= at:
        return ""
    noted = parameters.named_children[at].child_by_field_name("type")
    return objects.type_name(noted) if noted is not None else ""

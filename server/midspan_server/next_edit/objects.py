"""The class of the object that an expression gives: by what is declared in the file alone.

Where two classes may be meant, or one that is not named, there is no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.beside import is_apart, type_beside, value_beside
from midspan_server.next_edit.bound import Bindings
from midspan_server.next_edit.occurrences import enclosing
from midspan_server.next_edit.typenames import NOTHING, class_of_type

if TYPE_CHECKING:
    import tree_sitter

    from midspan_server.next_edit.bound import Bound
    from midspan_server.next_edit.naming import Naming

_DEEPEST = 6
_WRAPPERS = {
    "parenthesized_expression": None,
    "non_null_expression": None,
    "unary_expression": "operand",
    "pointer_expression": "argument",
    "reference_expression": "value",
    "expression_list": None,
    "try_expression": None,
}
"""What gives the object that is inside, and by which field; None for the first child."""

_TYPED = {
    "new_expression": ("constructor", "type"),
    "object_creation_expression": ("type",),
    "composite_literal": ("type",),
    "struct_expression": ("name",),
    "compound_literal_expression": ("type",),
    "cast_expression": ("type",),
    "type_cast_expression": ("type",),
}
"""What names the class of what it gives, and by which fields."""

_ASSERTIONS = frozenset({"as_expression", "satisfies_expression"})
_CALLS = frozenset({"call", "call_expression", "invocation_expression", "method_invocation"})
_INFERRED = frozenset({"var", "auto"})
_NAMELESS = frozenset({"object_creation_expression"})
"""What may be a class without a name."""

_OWN_THIS = frozenset(
    {
        "function_expression",
        "function_declaration",
        "generator_function",
        "generator_function_declaration",
    }
)
"""Functions of JavaScript with another `this` than what is around them."""

_SCOPES = frozenset({"qualified_identifier", "scoped_identifier"})
"""Members that are written behind the name of their class."""


class Objects:
    """Finds the class of an expression's object, by name.

    Args:
        data: The text in UTF-8.
        rules: Of its language.
    """

    def __init__(self, data: bytes, rules: Naming) -> None:
        self.rules = rules
        self.bindings = Bindings(data, rules)
        self._known: dict[int, str | None] = {}

    def around(self, node: tree_sitter.Node) -> str:
        """The class that a node stands in, also in a method outside of it; "" for none."""
        for above in enclosing(node, self.rules.classes | self.rules.functions | _NAMELESS):
            if above.type in self.rules.classes:
                return class_name(above)
            if _is_apart(above):
                return ""
            owner = _outer_owner(above)
            if owner is not None:
                return class_of_type(text_of(owner))
        return ""

    def of(self, node: tree_sitter.Node, depth: int = 0) -> str:
        """The class of what `node` gives; "" where it is not known."""
        found = ""
        if depth > _DEEPEST:
            return ""
        if node.type in _WRAPPERS:
            found = self._inside(node, depth)
        elif node.type in _TYPED or node.type in _ASSERTIONS:
            found = self._said(node)
        elif node.type in _CALLS:
            found = self._called(node, depth)
        elif text_of(node) in self.rules.own:
            found = self.around(node)
        elif "identifier" in node.type and node.child_count == 0:
            found = self._one_class(self.bindings.seen_from(text_of(node), node), depth)
        else:
            found = self._one_class(self._members(node, depth), depth)
        return found

    def of_binding(self, one: Bound, depth: int = 0) -> str | None:
        """The class of what a name is bound to; "" if unknown, None if it is bound to nothing."""
        if is_apart(one):
            return ""
        if one.kind == "class":
            return text_of(one.leaf)
        if one.kind in {"function", "prototype", "import"}:
            return ""
        noted = type_beside(one)
        if noted is not None and text_of(noted) not in _INFERRED:
            return self.type_name(noted)
        value = value_beside(one)
        if value is None:
            return None if one.path[-1].type == "variable_declarator" else ""
        return None if text_of(value) in NOTHING else self.of(value, depth + 1)

    def member_of(self, one: Bound) -> str:
        """The class that a place binds a member of; "" where it binds a variable."""
        if one.is_member:
            return self.owner_of(one.leaf)
        is_inside = one.scope is not None and one.scope.type in self.rules.classes
        return class_name(one.scope) if is_inside and one.scope is not None else ""

    def owner_of(self, leaf: tree_sitter.Node) -> str:
        """The class of the object that the member `leaf` is written behind; "" if not known."""
        parent = leaf.parent
        if parent is not None and parent.type == "token_tree":
            return self._in_macro(leaf)
        fields = self.rules.members.items()
        for (kind, _), of_field in fields:
            if parent is not None and kind == parent.type:
                owner = parent.child_by_field_name(of_field) if of_field else None
                if owner is None or kind in self.rules.functions:
                    return self.around(leaf)
                if kind in _SCOPES:
                    name = class_of_type(text_of(owner))
                    return self.around(leaf) if name == "Self" else name
                return self.of(owner)
        return ""

    def _in_macro(self, leaf: tree_sitter.Node) -> str:
        """The same where Rust knows no more than the tokens."""
        dot = leaf.prev_sibling
        owner = dot.prev_sibling if dot is not None and dot.type == "." else None
        before = owner.prev_sibling if owner is not None else None
        is_whole = before is None or before.type not in {".", "::"}
        return self.of(owner) if owner is not None and is_whole else ""

    def returned(self, function: tree_sitter.Node) -> str:
        """The class that a function says it returns."""
        for field in ("return_type", "result", "returns", "type"):
            noted = function.child_by_field_name(field)
            if noted is not None and noted.type == "parameter_list" and noted.named_children:
                # Go: with an error behind it, mostly.
                noted = noted.named_children[0].child_by_field_name("type")
            if noted is not None:
                return self.type_name(noted)
        return ""

    def function(self, call: tree_sitter.Node, depth: int = 0) -> Bound | None:
        """The one place that binds what is called."""
        called = call if call.type == "method_invocation" else call.child_by_field_name("function")
        if called is None:
            return None
        if "identifier" in called.type and called.child_count == 0:
            seen = self.bindings.seen_from(text_of(called), called)
            return seen[0] if len(seen) == 1 else None
        found = self._members(called, depth)
        return found[0] if len(found) == 1 else None

    def _said(self, node: tree_sitter.Node) -> str:
        """The class that a literal or a cast names."""
        if node.type in _ASSERTIONS:
            return self.type_name(node.named_children[-1])
        named = (node.child_by_field_name(field) for field in _TYPED[node.type])
        return next((self.type_name(one) for one in named if one is not None), "")

    def _inside(self, node: tree_sitter.Node, depth: int) -> str:
        field = _WRAPPERS[node.type]
        inner = node.child_by_field_name(field) if field else next(iter(node.named_children), None)
        return "" if inner is None else self.of(inner, depth + 1)

    def type_name(self, node: tree_sitter.Node) -> str:
        """The class that a type speaks of; "" where it is not one class."""
        name = class_of_type(text_of(node))
        if name == "Self":
            return self.around(node)
        is_c = ("type_definition", "declarator") in self.rules.bindings
        seen = self.bindings.seen_from(name, node) if is_c and name else []
        return _defined(seen[0]) or name if len(seen) == 1 else name

    def _called(self, node: tree_sitter.Node, depth: int) -> str:
        function = node.child_by_field_name("function")
        if function is not None and text_of(function) == "new":
            arguments = node.child_by_field_name("arguments")
            return self.type_name(arguments.named_children[0]) if arguments else ""
        found = self.function(node, depth + 1)
        if found is None:
            return ""
        if found.kind == "class":
            return text_of(found.leaf)
        if found.kind != "function":
            return ""
        holder = found.leaf.parent if found.is_member else found.path[-1]
        # A decorator may return something else.
        around = holder.parent if holder is not None else None
        is_plain = around is None or around.type != "decorated_definition"
        return self.returned(holder) if holder is not None and is_plain else ""

    def _declared(self, one: Bound, depth: int) -> str | None:
        at = one.leaf.start_byte
        if at not in self._known:
            self._known[at] = ""
            self._known[at] = self.of_binding(one, depth)
        return self._known[at]

    def _members(self, node: tree_sitter.Node, depth: int) -> list[Bound]:
        """The places that bind the member that `node` gives."""
        edges = self.rules.members.items()
        found = [(field, of) for (kind, field), of in edges if kind == node.type and field and of]
        name = node.child_by_field_name(found[0][0]) if found else None
        if name is None:
            return []
        owner = node.child_by_field_name(found[0][1])
        cls = self.around(node) if owner is None else self.of(owner, depth + 1)
        places = self.bindings.places(text_of(name), node) if cls else []
        return [one for one in places if self.member_of(one) == cls]

    def _one_class(self, places: list[Bound], depth: int) -> str:
        found = {self._declared(one, depth) for one in places} - {None}
        return next(iter(found)) or "" if len(found) == 1 else ""


def class_name(cls: tree_sitter.Node) -> str:
    """The name of a class; a type that has one by its definition alone is called by that."""
    name = cls.child_by_field_name("name") or cls.child_by_field_name("type")
    above = cls.parent
    is_struct = cls.type.endswith("_specifier")
    if name is None and is_struct and above is not None and above.type == "type_definition":
        name = above.child_by_field_name("declarator")
    return "" if name is None else class_of_type(text_of(name))


def text_of(node: tree_sitter.Node) -> str:
    """The text of a node."""
    return "" if node.text is None else node.text.decode("utf-8", "replace")


def _defined(alias: Bound) -> str:
    """The class that C's `typedef` gives another name."""
    definition = alias.path[-1]
    is_alias = definition.type == "type_definition"
    struct = definition.child_by_field_name("type") if is_alias else None
    return "" if struct is None else class_name(struct)


def _is_apart(node: tree_sitter.Node) -> bool:
    """Whether the object in `node` is not that of the class around."""
    if node.type in _NAMELESS:
        return any(one.type == "class_body" for one in node.children)
    is_method = node.type == "method_definition" and node.parent is not None
    return node.type in _OWN_THIS or (
        is_method and node.parent is not None and node.parent.type == "object"
    )


def _outer_owner(function: tree_sitter.Node) -> tree_sitter.Node | None:
    """What a method that stands outside of its class names as its class."""
    receiver = function.child_by_field_name("receiver")
    if receiver is not None:
        holder = next(iter(receiver.named_children), None)
        return None if holder is None else holder.child_by_field_name("type")
    declarator = function.child_by_field_name("declarator")
    while declarator is not None and declarator.type != "qualified_identifier":
        inner = declarator.child_by_field_name("declarator")
        is_reference = inner is None and declarator.type == "reference_declarator"
        declarator = declarator.named_children[0] if is_reference else inner
    return None if declarator is None else declarator.child_by_field_name("scope")

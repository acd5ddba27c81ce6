"""Where an identifier stands in a document, and what it is there: bound, used, a member.

A name is looked for as text and each hit is asked of the tree, so a file of 5,000 lines costs a
millisecond. Text in strings and comments is no identifier to the tree; code in the holes of an
f-string or a template is.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_server.next_edit.naming import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter

    from midspan_server.next_edit.naming import Binding, Naming
    from midspan_server.syntax import Syntax

_WORD_BYTE = rb"[\w$\x80-\xff]"
_WORD_BYTES = frozenset(at for at in range(256) if re.match(_WORD_BYTE, bytes([at])))
_OTHER_NAMES = frozenset({"constant", "name", "variable_name"})
_FOREIGN_NODES = frozenset(
    {
        "property_identifier",
        "field_identifier",
        "shorthand_field_identifier",
        "statement_identifier",
        "label_identifier",
        "private_property_identifier",
    }
)
_FOREIGN_EDGES = frozenset(
    {
        ("pair", "key"),
        ("element_value_pair", "key"),
        ("argument", "name"),
        ("name_colon", "name"),
        ("import_specifier", "name"),
        ("aliased_import", "name"),
        ("import_from_statement", "module_name"),
        ("package_clause", None),
        ("using_directive", None),
    }
)
_STRONG = frozenset({"function", "prototype", "class", "parameter", "variable", "import", "field"})


@dataclass(frozen=True, slots=True, eq=False)
class Occurrence:
    """One identifier.

    Attributes:
        node: The leaf.
        start: Byte where it starts.
        end: Byte behind it.
        binding: How the name is bound here; None for a use.
        scope: Node that a binding holds in; None is for a use, and for the whole file.
        owner: What it is a member of, "" where that is not written; None for no member.
        is_keyword: It names an argument of a call.
        is_foreign: It names a thing of another file, a key or a label.
    """

    node: tree_sitter.Node
    start: int
    end: int
    binding: Binding | None = None
    scope: tree_sitter.Node | None = None
    owner: str | None = None
    is_keyword: bool = False
    is_foreign: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is found by its scope, and not by an object or a call."""
        return self.owner is None and not self.is_keyword and not self.is_foreign

    @property
    def is_strong(self) -> bool:
        """Whether it declares the name, and does not only assign to it."""
        return self.binding in _STRONG


def occurrences(syntax: Syntax, name: str) -> list[Occurrence]:
    """All identifiers `name` of a text in order; none in a language without a table."""
    rules = naming(syntax.language)
    if rules is None:
        return []
    places = _places(syntax, name)
    return [_classified(node, rules) for node in _leaves(syntax, places)]


def nearest(syntax: Syntax, name: str, byte: int, limit: int) -> Iterator[Occurrence]:
    """At most `limit` identifiers `name` in any language with a grammar, nearest to `byte` first.

    In a language without a table they are uses, all of them.
    """
    rules = naming(syntax.language)
    places = _places(syntax, name)
    middle = bisect_left(places, (byte, byte))
    around = places[max(0, middle - limit) : middle + limit]
    places = sorted(around, key=lambda place: abs(place[0] - byte))[:limit]
    for node in _leaves(syntax, places):
        if rules is None:
            yield Occurrence(node, node.start_byte, node.end_byte)
        else:
            yield _classified(node, rules)


def _places(syntax: Syntax, name: str) -> list[tuple[int, int]]:
    """Where the word stands in the bytes."""
    word = re.escape(name.encode("utf-8", "replace"))
    # A pattern that begins with plain text is searched for ten times faster than one that looks
    # behind, so what is before is checked here.
    data = syntax.data
    spans = (hit.span() for hit in re.finditer(rb"%b(?!%b)" % (word, _WORD_BYTE), data))
    return [span for span in spans if span[0] == 0 or data[span[0] - 1] not in _WORD_BYTES]


def _leaves(syntax: Syntax, places: list[tuple[int, int]]) -> Iterator[tree_sitter.Node]:
    """The identifiers among the places."""
    root = syntax.tree.root_node
    for start, end in places:
        node = root.descendant_for_byte_range(start, end)
        if (
            node is not None
            and node.child_count == 0
            and (node.start_byte, node.end_byte) == (start, end)
            and ("identifier" in node.type or node.type in _OTHER_NAMES)
        ):
            yield node


def enclosing(node: tree_sitter.Node, kinds: frozenset[str]) -> Iterator[tree_sitter.Node]:
    """The nodes of these types around a node, innermost first."""
    above = node.parent
    while above is not None:
        if above.type in kinds:
            yield above
        above = above.parent


def field_of(child: tree_sitter.Node, parent: tree_sitter.Node) -> str | None:
    """The field by which `parent` has `child`."""
    for index, one in enumerate(parent.children):
        if one.start_byte >= child.start_byte and one == child:
            return parent.field_name_for_child(index)
    return None


def _classified(node: tree_sitter.Node, rules: Naming) -> Occurrence:
    parent = node.parent
    if parent is None:
        return Occurrence(node, node.start_byte, node.end_byte)
    edge = (parent.type, field_of(node, parent))
    if edge == rules.keyword:
        return Occurrence(node, node.start_byte, node.end_byte, is_keyword=True)
    if edge in rules.members:
        return _member(node, parent, rules, edge)
    binding, binder = _binding(node, rules)
    if binding is None or binder is None:
        return Occurrence(
            node, node.start_byte, node.end_byte, is_foreign=_is_foreign(node, parent, edge)
        )
    if binder.type == "method_definition" and binder.parent and binder.parent.type == "object":
        return Occurrence(node, node.start_byte, node.end_byte, is_foreign=True)
    scope = _scope(binding, binder, rules)
    owner = _text(scope) if _is_member_of(binding, scope, binder, rules) else None
    return Occurrence(node, node.start_byte, node.end_byte, binding, scope, owner)


def _is_foreign(
    node: tree_sitter.Node, parent: tree_sitter.Node, edge: tuple[str, str | None]
) -> bool:
    if node.type in _FOREIGN_NODES or edge in _FOREIGN_EDGES:
        return True
    above = parent.parent
    if parent.type in {"dotted_name", "scoped_identifier"} and above is not None:
        around = (above.type, field_of(parent, above))
        return around in _FOREIGN_EDGES or "import" in above.type or above.type == "use_declaration"
    return False


def _member(
    node: tree_sitter.Node, parent: tree_sitter.Node, rules: Naming, edge: tuple[str, str | None]
) -> Occurrence:
    field = rules.members[edge]
    owner = parent.child_by_field_name(field) if field else None
    if field and owner is None and parent.type == "method_invocation":
        return Occurrence(node, node.start_byte, node.end_byte)
    text = "" if owner is None or owner.text is None else owner.text.decode("utf-8", "replace")
    if owner is None and field == "expression":
        text = "this"  # C#'s grammar has no node for it
    binding = None
    # A method that is defined outside its class, and an attribute where it is first set.
    above, child = parent.parent, parent
    while (
        above is not None
        and rules.may_bind(above.type)
        and (above.type, field_of(child, above)) in rules.patterns
    ):
        child, above = above, above.parent
    if above is not None and rules.may_bind(above.type):
        binding = rules.bindings.get((above.type, field_of(child, above)))
    return Occurrence(node, node.start_byte, node.end_byte, binding, None, text)


def _binding(
    node: tree_sitter.Node, rules: Naming
) -> tuple[Binding | None, tree_sitter.Node | None]:
    """How a leaf is bound and the node that binds it, through patterns and declarators."""
    child, parent = node, node.parent
    is_function = False
    while parent is not None and rules.may_bind(parent.type):
        edge = (parent.type, field_of(child, parent))
        found = rules.bindings.get(edge)
        if found is not None:
            if found == "assigned" and not rules.hoists:
                return None, None
            if found == "class" and parent.type.endswith("_specifier"):
                has_body = parent.child_by_field_name("body") is not None
                return (found, parent) if has_body else (None, None)
            if edge == ("import_specifier", "name") and parent.child_by_field_name("alias"):
                return None, None
            is_prototype = is_function and found in {"variable", "field"}
            return ("prototype" if is_prototype else found), parent
        if edge not in rules.patterns:
            return None, None
        is_function = is_function or parent.type == "function_declarator"
        child, parent = parent, parent.parent
    return None, None


def _scope(binding: Binding, binder: tree_sitter.Node, rules: Naming) -> tree_sitter.Node | None:
    """The node that a name holds in; None for the whole file."""
    if binding == "parameter":
        if binder.type in rules.functions:
            return binder
        around = enclosing(binder, rules.functions | {"declaration", "field_declaration"})
        return next(around, binder.parent)
    if binding in {"assigned", "loop"}:
        around = enclosing(binder, rules.functions | rules.classes)
    elif binder.type == "for_in_statement" or binder.type in rules.blocks:
        return binder
    else:
        around = enclosing(binder, rules.scopes)
    return next(around, None)


def _is_member_of(
    binding: Binding, scope: tree_sitter.Node | None, binder: tree_sitter.Node, rules: Naming
) -> bool:
    if binding == "field" or binder.type == "field_declaration":
        return True
    inside = scope is not None and scope.type in rules.classes
    return inside and binding in {"function", "prototype", "variable", "assigned"}


def _text(scope: tree_sitter.Node | None) -> str:
    """The name of a class: what its members are members of."""
    if scope is None:
        return ""
    name = scope.child_by_field_name("name") or scope.child_by_field_name("type")
    return "" if name is None or name.text is None else name.text.decode("utf-8", "replace")

"""Names that stand in strings and mean a variable or a class all the same.

Python's annotations in quotes and its `__all__`, and the captures in Rust's format strings.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from midspan_server.next_edit.objects import text_of
from midspan_server.next_edit.occurrences import Occurrence, enclosing

if TYPE_CHECKING:
    import tree_sitter

    from midspan_server.next_edit.nesting import Span

_STRINGS = frozenset({"string", "string_literal", "raw_string_literal"})
_TYPES = frozenset({"type", "subscript", "generic_type"})
_OF_VALUES = ("Literal[", "Annotated[", "typing.Literal[", "typing.Annotated[")
_ASSIGNMENTS = frozenset({"assignment", "augmented_assignment"})
_FORMATTERS = frozenset(
    """print println eprint eprintln format format_args write writeln panic assert assert_eq
    assert_ne debug_assert debug_assert_eq debug_assert_ne todo unimplemented unreachable
    trace debug info warn error anyhow bail ensure""".split()  # noqa: SIM905  a list reads worse
)


def mentions(data: bytes, name: str, within: Span, near: tree_sitter.Node) -> list[Occurrence]:
    """The places in strings that name the plain `name`, in order.

    Args:
        data: The text in UTF-8.
        name: An identifier.
        within: Bytes to look in.
        near: A node of the document.
    """
    root = near
    while root.parent is not None:
        root = root.parent
    word = re.compile(rb"(?<![\w.$\x80-\xff])%b(?![\w$\x80-\xff])" % re.escape(name.encode()))
    found = []
    for hit in word.finditer(data, max(within[0], 0), min(within[1], len(data))):
        node = root.descendant_for_byte_range(*hit.span())
        if node is not None and node.type == "string_content" and _is_meant(node, hit, name):
            found.append(Occurrence(node, hit.start(), hit.end()))
    return found


def _is_meant(node: tree_sitter.Node, hit: re.Match[bytes], name: str) -> bool:
    string = next(enclosing(node, _STRINGS), None)
    if string is None or string.parent is None:
        return False
    if string.parent.type == "token_tree":
        return _is_capture(string, hit, name)
    if text_of(string)[:1] not in {"'", '"'}:
        return False
    if string.parent.type in {"list", "tuple"}:
        statement = string.parent.parent
        left = statement.child_by_field_name("left") if statement is not None else None
        is_list = statement is not None and statement.type in _ASSIGNMENTS
        names_it = left is not None and text_of(left) == "__all__" and text_of(node) == name
        return is_list and names_it
    return _is_annotation(string)


def _is_annotation(string: tree_sitter.Node) -> bool:
    """Whether a string is a type, and not a value inside one."""
    around = list(enclosing(string, _TYPES | {"call", "block"}))
    inner = [one.type for one in takewhile(lambda one: one.type != "block", around)]
    values = (one for one in around[: len(inner)] if one.type in _TYPES)
    return (
        "type" in inner
        and "call" not in inner
        and not any(text_of(one).startswith(_OF_VALUES) for one in values)
    )


def _is_capture(string: tree_sitter.Node, hit: re.Match[bytes], name: str) -> bool:
    macro = next(enclosing(string, frozenset({"macro_invocation"})), None)
    called = macro.child_by_field_name("macro") if macro is not None else None
    if macro is None or called is None or text_of(called).rsplit("::")[-1] not in _FORMATTERS:
        return False
    # `name = value` behind the string is what the string means then.
    if re.search(rf"\b{re.escape(name)}\s*=[^=]", text_of(macro)):
        return False
    data = hit.string
    opened = len(data[: hit.start()]) - len(data[: hit.start()].rstrip(b"{"))
    return opened % 2 == 1 and data[hit.end() : hit.end() + 1] in {b"}", b":"}

"""Which function or class a hunk changes from the outside: its callers may have to follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.naming import naming
from midspan_server.next_edit.occurrences import enclosing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter

    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax import Syntax

_CONSTRUCTORS = frozenset({"__init__", "__new__", "constructor"})


def changed_from_outside(hunk: Hunk, document: DocumentSnapshot, tree: Syntax) -> tuple[str, ...]:
    """Names of functions whose header the hunk's lines touch, and of the class with its fields."""
    rules = naming(document.language)
    if rules is None or not document.text:
        return ()
    kinds = rules.functions | rules.classes
    found: dict[str, None] = {}
    for line in range(hunk.line, min(hunk.last_line + 1, document.line_count)):
        start, end = document.line_starts[line], document.line_end(line)
        text = document.text[start:end]
        at = tree.byte_of(start + len(text) - len(text.lstrip()))
        leaf = tree.tree.root_node.descendant_for_byte_range(at, at + 1)
        if leaf is None or not text.strip():
            continue
        for name in _names(leaf, line, kinds, rules.classes):
            found[name] = None
    return tuple(found)


def _names(
    leaf: tree_sitter.Node, line: int, kinds: frozenset[str], classes: frozenset[str]
) -> Iterator[str]:
    around = [one for one in (leaf, *enclosing(leaf, kinds)) if one.type in kinds]
    if not around:
        return
    inner = around[0]
    if inner.type not in classes and _is_in_body(inner, line):
        return
    name = _name(inner)
    yield from (name,) if name and name not in _CONSTRUCTORS else ()
    if name in _CONSTRUCTORS:
        yield from (_name(one) for one in around[1:2])


def _is_in_body(function: tree_sitter.Node, line: int) -> bool:
    body = function.child_by_field_name("body")
    if body is None:
        return False
    row = body.start_point.row
    shares_line = (body.text or b"").startswith(b"{") or row == function.start_point.row
    return line > row if shares_line else line >= row


def _name(node: tree_sitter.Node) -> str:
    """The name of a function or a class; "" where it has none."""
    name: tree_sitter.Node | None = node
    for _ in range(4):
        if name is None or name.child_count == 0:
            break
        name = (
            name.child_by_field_name("name")
            or name.child_by_field_name("declarator")
            or name.child_by_field_name("type")
        )
    if name is None or name is node or name.text is None or name.child_count:
        return ""
    return name.text.decode("utf-8", "replace")

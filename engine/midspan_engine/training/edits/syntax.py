"""Syntax trees of training files and what refactorings ask of them, by language."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import tree_sitter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

_GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_tsx"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
}
FUNCTIONS = frozenset({
    "function_definition", "function_declaration", "method_definition", "method_declaration",
    "function_item", "arrow_function", "function_expression", "generator_function_declaration",
})  # fmt: skip
CLASSES = frozenset({"class_definition", "class_declaration", "class"})
SCRIPTS = frozenset({"javascript", "typescript"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """A parsed ASCII text, so that byte offsets are character offsets."""

    text: str
    language: str
    root: Node

    @classmethod
    def parse(cls, text: str, language: str) -> SourceTree | None:
        """None where there is no grammar, or the text is not ASCII or not sound."""
        if language not in _GRAMMARS or not text.isascii():
            return None
        root = _parser(language).parse(text.encode()).root_node
        return None if root.has_error else cls(text=text, language=language, root=root)

    @property
    def is_script(self) -> bool:
        """JavaScript or TypeScript."""
        return self.language in SCRIPTS

    def of(self, node: Node) -> str:
        """The node's text."""
        return self.text[node.start_byte : node.end_byte]

    def functions(self) -> list[Node]:
        """Functions that have a name and a body."""
        return [
            node
            for node in walk(self.root)
            if node.type in FUNCTIONS and node.child_by_field_name("body") is not None
        ]

    def name_of(self, function: Node) -> Node | None:
        """The node of a function's name; C hides it in the declarator."""
        name = function.child_by_field_name("name")
        declarator = function.child_by_field_name("declarator")
        while name is None and declarator is not None:
            inner = declarator.child_by_field_name("declarator")
            name = declarator if inner is None else None
            declarator = inner
        return name


@cache
def _parser(language: str) -> tree_sitter.Parser:
    module, function = _GRAMMARS[language]
    return tree_sitter.Parser(
        tree_sitter.Language(getattr(importlib.import_module(module), function)())
    )


def walk(node: Node, *, into_functions: bool = True) -> Iterator[Node]:
    """The node and all below it, in the order of the text."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if into_functions or current is node or current.type not in FUNCTIONS:
            stack.extend(reversed(current.children))


def enclosing(node: Node, types: frozenset[str]) -> Node | None:
    """The nearest node of these types above `node`."""
    above = node.parent
    while above is not None and above.type not in types:
        above = above.parent
    return above


def is_field(node: Node, name: str) -> bool:
    """Whether the node is its parent's field of that name."""
    return node.parent is not None and node.parent.child_by_field_name(name) == node


def arguments_of(call: Node) -> list[Node] | None:
    """Plain positional arguments of a call; None if there are others or a splat."""
    listed = call.child_by_field_name("arguments")
    if listed is None or listed.type not in {"arguments", "argument_list"}:
        return None
    odd = {"keyword_argument", "list_splat", "dictionary_splat", "spread_element", "comment"}
    named = listed.named_children
    return None if any(child.type in odd for child in named) else list(named)

"""Tree-sitter grammars by LSP language identifier, each imported when a file first needs it."""

from __future__ import annotations

import importlib
from functools import cache

import tree_sitter

# Identifier -> (module of the official grammar wheel, function that returns the language).
_GRAMMARS = {
    "bash": ("tree_sitter_bash", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "css": ("tree_sitter_css", "language"),
    "cuda-cpp": ("tree_sitter_cpp", "language"),
    "go": ("tree_sitter_go", "language"),
    "html": ("tree_sitter_html", "language"),
    "java": ("tree_sitter_java", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "javascriptreact": ("tree_sitter_javascript", "language"),
    "json": ("tree_sitter_json", "language"),
    "jsonc": ("tree_sitter_json", "language"),
    "less": ("tree_sitter_css", "language"),
    "lua": ("tree_sitter_lua", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "python": ("tree_sitter_python", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "scss": ("tree_sitter_css", "language"),
    "sh": ("tree_sitter_bash", "language"),
    "shellscript": ("tree_sitter_bash", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "typescriptreact": ("tree_sitter_typescript", "language_tsx"),
}


def languages() -> tuple[str, ...]:
    """LSP language identifiers that have a grammar."""
    return tuple(_GRAMMARS)


@cache
def parser(language: str) -> tree_sitter.Parser | None:
    """The parser for an LSP language identifier; None where there is no grammar.

    A wheel that is missing costs its language the syntax tree and nothing else.
    """
    if language not in _GRAMMARS:
        return None
    module, function = _GRAMMARS[language]
    try:
        grammar = getattr(importlib.import_module(module), function)()
    except ImportError:
        return None
    return tree_sitter.Parser(tree_sitter.Language(grammar))

"""What the text rules must know of each language, in one table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

BlockStyle = Literal["indent", "brace", "end", "none"]

_BRACE_OPENER = re.compile(r"[{(\[]\s*$|=>\s*$")
_HEADER = r"(?:async|class|def|if|elif|else|for|while|try|except|finally|with|match|case)\b"
_COLON_OPENER = re.compile(rf"^\s*(?:{_HEADER}.*|[)\]}}].*):\s*$")
_RUBY_OPENER = re.compile(
    r"^\s*(?:(?:private|public|protected)\s+)?"
    r"(?:def|class|module|if|elsif|else|unless|while|until|for|case|when|begin|rescue|ensure)\b"
    r"|\bdo(?:\s*\|[^|]*\|)?\s*$|[{(\[]\s*(?:\|[^|]*\|)?\s*$"
)
_LUA_OPENER = re.compile(r"\b(?:then|do|else|repeat)\s*$|\bfunction\b[^()]*\([^()]*\)\s*$|[{(]\s*$")
_SHELL_OPENER = re.compile(r"\b(?:then|do|else|in)\s*$|[{(]\s*$")
_ANY_OPENER = re.compile(r"[{(\[:]\s*$|=>\s*$|\b(?:then|do|else|begin)\s*$")

_TYPED_BRACE = re.compile(r"\{$")
_TYPED_COLON = re.compile(rf"^\s*(?:{_HEADER}.*|[)\]}}].*):$")
_TYPED_WORD = re.compile(r"\b(?:then|do|repeat)$|\{$")

_BRACE_CLOSER = re.compile(r"\s*[)}\]]")
_RUBY_CLOSER = re.compile(r"\s*(?:end\b|else\b|elsif\b|when\b|rescue\b|ensure\b|[)}\]])")
_LUA_CLOSER = re.compile(r"\s*(?:end\b|else|until\b|[)}\]])")
_SHELL_CLOSER = re.compile(r"\s*(?:fi\b|done\b|esac\b|else\b|elif\b|;;|[)}])")

_IMPORT_LINE = re.compile(
    r"\s*(?:import|from|package|use|using|#include|require|require_relative|source)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageProfile:
    """The text rules of one language.

    Attributes:
        comment: What a line comment, or an only kind of comment, starts with.
        comment_end: What ends it; "" for the line's end.
        blocks: What delimits a block.
        opener: Matches a line that opens a block.
        typed_opener: Matches a line being typed that can only go on below; `f(` is none.
        closer: Matches a line that closes one or goes on after it (`else`).
        brackets: Those that come in pairs, outside strings and comments.
        imports: Types of the nodes that name other files.
        definitions: Types of the nodes that define a class, a function or the like.
        import_line: Finds imports where the tree has no node of their own.
    """

    comment: str = "#"
    comment_end: str = ""
    blocks: BlockStyle = "none"
    opener: re.Pattern[str] = _ANY_OPENER
    typed_opener: re.Pattern[str] = _TYPED_BRACE
    closer: re.Pattern[str] = _BRACE_CLOSER
    brackets: str = "()[]{}"
    imports: frozenset[str] = frozenset()
    definitions: frozenset[str] = frozenset()
    import_line: re.Pattern[str] = _IMPORT_LINE

    @property
    def elision(self) -> str:
        """A line that stands for dropped text and reads as code."""
        return f"{self.comment} ...{' ' + self.comment_end if self.comment_end else ''}"


def _braces(imports: str, definitions: str, comment: str = "//", end: str = "") -> LanguageProfile:
    return LanguageProfile(
        comment=comment,
        comment_end=end,
        blocks="brace",
        opener=_BRACE_OPENER,
        imports=frozenset(imports.split()),
        definitions=frozenset(definitions.split()),
    )


_SCRIPT = _braces(
    "import_statement",
    "export_statement class_declaration function_declaration generator_function_declaration "
    "method_definition lexical_declaration interface_declaration type_alias_declaration "
    "enum_declaration abstract_class_declaration internal_module public_field_definition",
)
_C = _braces(
    "preproc_include using_declaration",
    "function_definition struct_specifier union_specifier enum_specifier class_specifier "
    "namespace_definition template_declaration type_definition declaration field_declaration "
    "preproc_def preproc_function_def",
)
_SHELL = LanguageProfile(
    blocks="end",
    brackets="[]{}",  # the patterns of `case` end in a lone ")"
    opener=_SHELL_OPENER,
    typed_opener=_TYPED_WORD,
    closer=_SHELL_CLOSER,
    definitions=frozenset({"function_definition"}),
)
_CSS = _braces("import_statement", "rule_set media_statement keyframes_statement", "/*", "*/")
_JSON = LanguageProfile(comment="//", blocks="brace", opener=_BRACE_OPENER)

_PROFILES = {
    "python": LanguageProfile(
        blocks="indent",
        opener=_COLON_OPENER,
        typed_opener=_TYPED_COLON,
        imports=frozenset({"import_statement", "import_from_statement", "future_import_statement"}),
        definitions=frozenset({"function_definition", "class_definition", "decorated_definition"}),
    ),
    "javascript": _SCRIPT,
    "javascriptreact": _SCRIPT,
    "typescript": _SCRIPT,
    "typescriptreact": _SCRIPT,
    "go": _braces(
        "package_clause import_declaration",
        "function_declaration method_declaration type_declaration const_declaration "
        "var_declaration",
    ),
    "rust": _braces(
        "use_declaration extern_crate_declaration",
        "function_item impl_item struct_item enum_item trait_item mod_item macro_definition "
        "type_item const_item static_item",
    ),
    "java": _braces(
        "package_declaration import_declaration",
        "class_declaration interface_declaration enum_declaration record_declaration "
        "method_declaration constructor_declaration field_declaration",
    ),
    "c": _C,
    "cpp": _C,
    "cuda-cpp": _C,
    "csharp": _braces(
        "using_directive",
        "namespace_declaration class_declaration interface_declaration struct_declaration "
        "enum_declaration record_declaration method_declaration constructor_declaration "
        "property_declaration",
    ),
    "ruby": LanguageProfile(
        blocks="end",
        opener=_RUBY_OPENER,
        typed_opener=_TYPED_WORD,
        closer=_RUBY_CLOSER,
        definitions=frozenset({"class", "module", "method", "singleton_method"}),
    ),
    "php": _braces(
        "namespace_use_declaration namespace_definition",
        "class_declaration interface_declaration trait_declaration enum_declaration "
        "function_definition method_declaration",
    ),
    "bash": _SHELL,
    "sh": _SHELL,
    "shellscript": _SHELL,
    "html": LanguageProfile(
        comment="<!--",
        comment_end="-->",
        brackets="",
        opener=re.compile(r"<[A-Za-z][^<>/]*>\s*$"),
        closer=re.compile(r"\s*</"),
    ),
    "css": _CSS,
    "less": _CSS,
    "scss": _CSS,
    "json": _JSON,
    "jsonc": _JSON,
    "lua": LanguageProfile(
        comment="--",
        blocks="end",
        opener=_LUA_OPENER,
        typed_opener=_TYPED_WORD,
        closer=_LUA_CLOSER,
        definitions=frozenset({"function_declaration", "variable_declaration"}),
        import_line=re.compile(r"\s*local\s+\w+\s*=\s*require\b"),
    ),
    # Without a grammar, but common, and their comments and blocks are known.
    "yaml": LanguageProfile(blocks="indent", opener=re.compile(r"[:|>]\s*$")),
    "sql": LanguageProfile(comment="--"),
    "haskell": LanguageProfile(comment="--", blocks="indent"),
    "kotlin": _braces("", ""),
    "swift": _braces("", ""),
    "scala": _braces("", ""),
    "dart": _braces("", ""),
    "zig": _braces("", ""),
    "vue": LanguageProfile(brackets="", comment="<!--", comment_end="-->"),
    "markdown": LanguageProfile(
        comment="<!--", comment_end="-->", opener=re.compile(r"(?!)"), brackets=""
    ),
}
_UNKNOWN = LanguageProfile()


def profile(language: str) -> LanguageProfile:
    """The rules of an LSP language identifier; careful general ones for an unknown language."""
    return _PROFILES.get(language, _UNKNOWN)

"""Language identifiers for prompts that do not say which language they are in."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_BY_ENDING = {
    **dict.fromkeys((".py", ".pyi"), "python"),
    **dict.fromkeys((".js", ".mjs", ".cjs"), "javascript"),
    **dict.fromkeys((".ts", ".mts", ".cts"), "typescript"),
    **dict.fromkeys((".c", ".h"), "c"),
    **dict.fromkeys((".cpp", ".cc", ".cxx", ".hpp", ".hh"), "cpp"),
    **dict.fromkeys((".html", ".htm"), "html"),
    **dict.fromkeys((".yml", ".yaml"), "yaml"),
    **dict.fromkeys((".sh", ".bash", ".zsh"), "shellscript"),
    ".cs": "csharp",
    ".css": "css",
    ".go": "go",
    ".hs": "haskell",
    ".java": "java",
    ".json": "json",
    ".jsx": "javascriptreact",
    ".kt": "kotlin",
    ".less": "less",
    ".lua": "lua",
    ".md": "markdown",
    ".php": "php",
    ".pl": "perl",
    ".r": "r",
    ".rb": "ruby",
    ".rs": "rust",
    ".scss": "scss",
    ".sql": "sql",
    ".svelte": "svelte",
    ".swift": "swift",
    ".toml": "toml",
    ".tsx": "typescriptreact",
    ".vue": "vue",
    ".xml": "xml",
}


_READ = 4_000
"""Characters on either side of the hole."""
_SIGNS = {
    language: re.compile(signs, re.MULTILINE)
    for language, signs in {
        "python": r"^[ \t]*(?:(?:async )?def \w+\((?:[^\n]*[:,])?|class \w+[^{\n]*:)$"
        r"|^(?:import [\w.]+|from [\w.]+ import [^'\"\n]+)$",
        "go": r"^package \w+$|^func [^\n]*\{$|^[ \t]*[\w, ]+ := ",
        "rust": r"^[ \t]*(?:pub )?(?:fn \w|struct \w|enum \w|impl\b|trait \w|mod \w|use [\w:]+)"
        r"|\blet mut ",
        "java": r"^[ \t]*(?:public|private|protected) [^\n]*[{;]$|^(?:import|package) [\w.]+;$",
        "cpp": r"^#include |^[ \t]*template ?<|\bstd::",
        "typescript": r"^[ \t]*(?:export )?(?:const|let|var) \w+\b[^\n]*="
        r"|^[ \t]*(?:export )?(?:async )?function\b[^\n]*\{$"
        r"|=> *[{(]|^import [^\n]* from ['\"]|\brequire\(['\"]",
    }.items()
}
"""TypeScript's grammar reads JavaScript, and that of C++ nearly all C."""
_PYTHON_LINES = re.compile(
    r"^[ \t]+(?:(?:if|elif|for|while|with|except) [^{}\n]*|else|try|finally|except):$", re.MULTILINE
)
"""Which prose may have too, so one is not enough."""


def language_in(prefix: str, suffix: str) -> str:
    """The language that the text around a hole is plainly in, "" where it might be another."""
    text = f"{prefix[-_READ:]}\n{suffix[:_READ]}"
    counts = {name: 2 * len(signs.findall(text)) for name, signs in _SIGNS.items()}
    counts["python"] += len(_PYTHON_LINES.findall(text))
    first, second = sorted(counts, key=lambda name: -counts[name])[:2]
    return first if counts[first] > max(1, 2 * counts[second]) else ""


def language_of(path: str) -> str:
    """The LSP language identifier of a file, "" when its name does not tell."""
    return _BY_ENDING.get(PurePosixPath(path.replace("\\", "/")).suffix.lower(), "")

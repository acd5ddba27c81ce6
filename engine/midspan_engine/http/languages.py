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
_PYTHON = re.compile(
    r"^[ \t]*(?:async )?def \w+\((?:[^\n]*:)?[ \t]*(?:#[^\n]*)?$|^from [\w.]+ import [\w(*]",
    re.MULTILINE,
)
_PERHAPS_PYTHON = re.compile(
    r"^[ \t]+(?:(?:class|if|elif|for|while|with|except) [^{}\n]*|else|try|finally|except):$",
    re.MULTILINE,
)
"""Which prose may have too, so one is not enough."""
_NOT_PYTHON = re.compile(r"^[ \t]*(?:func|fun|fn|function|var|let|val|const|end)\b", re.MULTILINE)


def language_in(prefix: str, suffix: str) -> str:
    """Return "python" where the text around a hole is plainly that, "" where it may be another.

    No other language is guessed: most look like one another, and a wrong guess spoils a right
    answer where none spoils nothing.
    """
    text = f"{prefix[-_READ:]}\n{suffix[:_READ]}".replace("\r\n", "\n")
    signs = 2 * len(_PYTHON.findall(text)) + len(_PERHAPS_PYTHON.findall(text))
    return "python" if signs > 1 and not _NOT_PYTHON.search(text) else ""


def language_of(path: str) -> str:
    """The LSP language identifier of a file, "" when its name does not tell."""
    return _BY_ENDING.get(PurePosixPath(path.replace("\\", "/")).suffix.lower(), "")

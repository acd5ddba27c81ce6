"""Language identifiers by file name, for prompts that do not say which language they are in."""

from __future__ import annotations

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


def language_of(path: str) -> str:
    """The LSP language identifier of a file, "" when its name does not tell."""
    return _BY_ENDING.get(PurePosixPath(path.replace("\\", "/")).suffix.lower(), "")

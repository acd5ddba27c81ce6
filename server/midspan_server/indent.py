"""Indentation of a line, in columns, as the engine counts it too."""

from __future__ import annotations

TAB_COLUMNS = 4


def leading(line: str) -> str:
    """The white space that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def columns_of(space: str) -> int:
    """Columns that spaces and tabs fill; a tab counts to the next multiple of `TAB_COLUMNS`."""
    columns = 0
    for character in space:
        columns += TAB_COLUMNS - columns % TAB_COLUMNS if character == "\t" else 1
    return columns

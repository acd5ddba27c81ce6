"""Patterns as in a .gitignore, compiled one by one: git tolerates lines that `pathspec` refuses."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pathspec

if TYPE_CHECKING:
    from collections.abc import Iterable

_log = logging.getLogger(__name__)

# `pathspec` passes on what `re` raises for a range such as `[z-a]`.
_REFUSALS = (ValueError, re.error, OverflowError, RecursionError)


def is_pattern(line: str) -> bool:
    """Whether a line of a .gitignore can be used; blank lines and comments can."""
    try:
        pathspec.GitIgnoreSpec.from_lines([line])
    except _REFUSALS:
        return False
    return True


def compiled(lines: Iterable[str], source: str) -> pathspec.GitIgnoreSpec:
    """Return the patterns of `lines`; those that cannot be used are left out and logged.

    Args:
        lines: As in a .gitignore.
        source: Where they come from, for the log.
    """
    usable = []
    for number, line in enumerate(lines, start=1):
        if is_pattern(line):
            usable.append(line)
        else:
            _log.warning("%s, line %d: not a pattern, left out", source, number)
    return pathspec.GitIgnoreSpec.from_lines(usable)

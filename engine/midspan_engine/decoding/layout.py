"""What the text around a hole says about the text in it."""

from __future__ import annotations

import re

_OPENER = re.compile(
    r"^[ \t]*(?:(?:async\s+)?(?:def|class|if|elif|else|for|while|try|except|finally|with|match"
    r"|case)\b|[)\]}]).*:[ \t]*(?:\#.*)?$"
)
_INDENT_LANGUAGES = frozenset({"python"})
_UNIT = "    "


def required_indent(prefix: str, language: str) -> str:
    """Blanks that the hole has to begin with: it starts a line right after a block opener.

    Editors indent by themselves; a hole made by other means has no blanks before it, and a small
    model often leaves out the new level (14 of 457 single-line tasks). "" where nothing is known.
    """
    if language not in _INDENT_LANGUAGES or not prefix.endswith("\n"):
        return ""
    lines = prefix.splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "")
    if not _OPENER.match(last):
        return ""
    return _blanks(last) + _unit(lines)


def repeats_next_line(text: str, suffix: str) -> bool:
    """Whether `text` begins with the line that stands behind the hole anyway."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    following = next((line.strip() for line in suffix.splitlines() if line.strip()), "")
    # A lone bracket or `else:` may well come twice.
    return first == following and len(first) > len("return")


def _blanks(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(lines: list[str]) -> str:
    """One level of indentation: the smallest that the text uses, four blanks if it uses none."""
    used = {blanks for line in lines if line.strip() and (blanks := _blanks(line))}
    if any("\t" in blanks for blanks in used):
        return "\t"
    steps = [len(blanks) for blanks in used if len(blanks) > 1]
    return " " * min(steps) if steps else _UNIT

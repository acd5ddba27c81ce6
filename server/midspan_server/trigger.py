"""Whether to suggest anything at a cursor, and how much: one line or a block.

The rules read lines rather than the tree, because the code around a cursor is usually broken. The
tree decides one thing, where it is surest: whether the cursor is in a comment or a string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from midspan_server.indent import columns_of, leading
from midspan_server.patterns import compiled
from midspan_server.syntax import Zone, profile, zone_at, zone_by_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pathspec

    from midspan_engine.protocol import Scope
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax import LanguageProfile

# What may stand behind the cursor: closers and the end of a statement. Anything else means that the
# user edits the middle of a line, where a suggestion is in the way.
# Linear: matched against the rest without its outer spaces, and the parts share no character.
_ONLY_CLOSERS = re.compile(r"[)>}\]\"'`]*+\s*+[:{;,]?")
# A line in this many characters is generated or minified.
_LONGEST_LINE = 2_000
_BLOCK_LINES_LIMIT = 20_000
_DOCSTRING_LINES = 60
_PARAGRAPH = ("\n\n", "\r\n\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSettings:
    """When the user wants suggestions.

    Attributes:
        languages: Off (False) or on for each LSP language identifier; others are on.
        disabled_globs: Files without suggestions, as patterns of a .gitignore.
        comments: Whether to suggest inside comments.
        strings: Whether to suggest inside strings.
        max_line_tokens: Bound for one line.
        max_block_tokens: Bound for a block.
    """

    languages: Mapping[str, bool] = field(default_factory=dict)
    disabled_globs: tuple[str, ...] = ()
    comments: bool = True
    strings: bool = True
    max_line_tokens: int = 48
    max_block_tokens: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeDecision:
    """How much to suggest; the fields go into the request as they are."""

    scope: Scope = "line"
    block_indent: int = 0
    max_tokens: int = 48
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHere:
    """No suggestion, and why, for the log and for a user who wonders.

    `passing` reasons come and go with the next keystroke, so nobody is told.
    """

    reason: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class _Cursor:
    """The lines around an offset."""

    snapshot: DocumentSnapshot
    offset: int
    line: int
    before: str
    after: str
    language: LanguageProfile

    @classmethod
    def at(cls, snapshot: DocumentSnapshot, offset: int) -> _Cursor:
        line = snapshot.line_of(offset)
        before = snapshot.text[snapshot.line_starts[line] : offset]
        after = snapshot.text[offset : max(offset, snapshot.line_end(line))]
        return cls(snapshot, offset, line, before, after, profile(snapshot.language))

    def text_of(self, line: int) -> str:
        return self.snapshot.text[self.snapshot.line_starts[line] : self.snapshot.line_end(line)]


def decide(
    snapshot: DocumentSnapshot, offset: int, settings: TriggerSettings, *, automatic: bool
) -> ScopeDecision | NotHere:
    """Decide whether and how much to suggest at `offset`.

    A request that the user made by hand (`automatic` false) is refused only where a setting or the
    file says so, never because of where the cursor stands in its line.
    """
    cursor = _Cursor.at(snapshot, offset)
    reason = _switched_off(snapshot, settings) or _unwanted_zone(cursor, settings)
    if reason is not None:
        return NotHere(reason=reason)
    if automatic and (reason := _unwanted_place(cursor)) is not None:
        return NotHere(reason=reason, passing=True)
    return _scope(cursor, settings, automatic=automatic)


def _switched_off(snapshot: DocumentSnapshot, settings: TriggerSettings) -> str | None:
    if not settings.languages.get(snapshot.language, settings.languages.get("*", True)):
        return f"suggestions are off for {snapshot.language or 'files without a language'}"
    if snapshot.path is not None and matches(snapshot.path, settings.disabled_globs):
        return f"{snapshot.path.name} matches a pattern that turns suggestions off"
    return None


def _unwanted_place(cursor: _Cursor) -> str | None:
    if not cursor.snapshot.text.strip():
        return "the file is empty"
    if len(cursor.before) + len(cursor.after) > _LONGEST_LINE:
        return "the line is too long"
    if _in_word(cursor):
        return "in the middle of a word"
    if not _ONLY_CLOSERS.fullmatch(cursor.after.strip()):
        return "in the middle of a line"
    if _is_complete(cursor):
        return "the statement is complete"
    return None


def _in_word(cursor: _Cursor) -> bool:
    return bool(cursor.after) and (cursor.after[0].isalnum() or cursor.after[0] in "_$")


def _is_complete(cursor: _Cursor) -> bool:
    """Behind the `;` that ends a statement only a line break could follow."""
    code = cursor.before.rstrip()
    if cursor.language.blocks != "brace" or cursor.after.strip() or not code.endswith(";"):
        return False
    return all(code.count(opener) <= code.count(closer) for opener, closer in ("()", "[]"))


def _unwanted_zone(cursor: _Cursor, settings: TriggerSettings) -> str | None:
    if settings.comments and settings.strings:
        return None
    zone = zone_at(cursor.snapshot, cursor.offset, cursor.before)
    if zone is Zone.COMMENT and not settings.comments:
        return "suggestions in comments are off"
    if zone is Zone.STRING and not settings.strings:
        return "suggestions in strings are off"
    return None


def _scope(cursor: _Cursor, settings: TriggerSettings, *, automatic: bool) -> ScopeDecision:
    line = ScopeDecision(max_tokens=settings.max_line_tokens)
    if cursor.after.strip() or cursor.snapshot.line_count >= _BLOCK_LINES_LIMIT:
        return line
    header = _empty_body(cursor)
    if header is not None:
        return _block(settings, columns_of(leading(cursor.text_of(header))) + 1)
    if cursor.before.strip():
        return line
    column = columns_of(cursor.before)
    if _follows_comment(cursor):
        return _block(settings, column, _PARAGRAPH)
    return line if automatic else _block(settings, column, _PARAGRAPH)


def _block(settings: TriggerSettings, indent: int, stop: tuple[str, ...] = ()) -> ScopeDecision:
    return ScopeDecision(
        scope="block", block_indent=indent, max_tokens=settings.max_block_tokens, stop=stop
    )


def _empty_body(cursor: _Cursor) -> int | None:
    """The line that opens a block in which nothing stands yet but the cursor, if there is one."""
    header = cursor.line if cursor.before.strip() else _line_above(cursor)
    if header is None:
        return None
    is_typed = header == cursor.line
    text = cursor.before if is_typed else cursor.text_of(header)
    code = _without_comment(text, cursor.language)
    opener = cursor.language.typed_opener if is_typed else cursor.language.opener
    if not opener.search(code) or zone_by_line(code, cursor.language) is not Zone.CODE:
        return None
    indent = columns_of(leading(text))
    if not is_typed and cursor.before and columns_of(cursor.before) <= indent:
        return None
    following = _next_line(cursor)
    if following is not None and columns_of(leading(cursor.text_of(following))) > indent:
        return None
    return header


def _without_comment(text: str, language: LanguageProfile) -> str:
    head, found, _ = text.partition(f" {language.comment}")
    return head if found else text


def _line_above(cursor: _Cursor) -> int | None:
    """The nearest line above with code; comments and docstrings in between do not fill a body."""
    line = cursor.line - 1
    while line >= 0:
        text = cursor.text_of(line).strip()
        if text.endswith(('"""', "'''")):
            line = _docstring_start(cursor, line, text[-3:]) - 1
        elif not text or _is_comment(text, cursor.language):
            line -= 1
        else:
            return line
    return None


def _docstring_start(cursor: _Cursor, last: int, quotes: str) -> int:
    if cursor.text_of(last).count(quotes) > 1:
        return last
    for line in range(last - 1, max(-1, last - _DOCSTRING_LINES), -1):
        if quotes in cursor.text_of(line):
            return line
    return last


def _is_comment(stripped: str, language: LanguageProfile) -> bool:
    if stripped.startswith(language.comment):
        return True
    return language.blocks == "brace" and (
        stripped.startswith(("/*", "* ", "*/")) or stripped in {"*", "/**"}
    )


def _next_line(cursor: _Cursor) -> int | None:
    """The nearest line below that is not blank."""
    for line in range(cursor.line + 1, cursor.snapshot.line_count):
        if cursor.text_of(line).strip():
            return line
    return None


def _follows_comment(cursor: _Cursor) -> bool:
    """A comment right above says what the next lines are to do."""
    if cursor.line == 0:
        return False
    text = cursor.text_of(cursor.line - 1).strip()
    return len(text) > len(cursor.language.comment) and _is_comment(text, cursor.language)


def matches(path: Path, globs: tuple[str, ...]) -> bool:
    """Whether a pattern (as in a .gitignore, seen from the file system's root) names `path`."""
    return bool(globs) and _spec(globs).match_file(path.as_posix().lstrip("/"))


@lru_cache(maxsize=8)
def _spec(globs: tuple[str, ...]) -> pathspec.GitIgnoreSpec:
    return compiled(globs, "midspan.exclude")

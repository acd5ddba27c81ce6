"""Comments and strings: from the tree, and from one line alone where it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.syntax.documents import parse
from midspan_server.syntax.languages import profile
from midspan_server.syntax.nearby import nearby
from midspan_server.syntax.tree import Zone

if TYPE_CHECKING:
    from midspan_server.snapshot import DocumentSnapshot
    from midspan_server.syntax.languages import LanguageProfile
    from midspan_server.syntax.tree import Syntax

_WHOLE_CHARS = 40_000
"""Longer texts are judged by what is near the cursor."""
_QUOTES = "\"'`"


def zone_at(snapshot: DocumentSnapshot, offset: int, before: str) -> Zone:
    """The zone of a cursor; `before` is its line up to the cursor."""
    syntax, start = _around(snapshot, offset)
    zone = Zone.CODE if syntax is None else syntax.zone(offset - start)
    if zone is Zone.CODE and (syntax is None or syntax.tree.root_node.has_error):
        # An unterminated string or comment is an error to the tree, and often not a node.
        return zone_by_line(before, profile(snapshot.language))
    return zone


def _around(snapshot: DocumentSnapshot, offset: int) -> tuple[Syntax | None, int]:
    """The tree of a text, or of what is near in a long one, and where it begins."""
    if len(snapshot.text) <= _WHOLE_CHARS:
        return parse(snapshot), 0
    near = nearby(snapshot, offset)
    return (near.syntax, near.start) if near else (None, 0)


def zone_by_line(before: str, language: LanguageProfile) -> Zone:
    """The zone at the end of `before`, the text of one line up to the cursor.

    An apostrophe inside a word (`don't`, a Rust lifetime) opens nothing.
    """
    quote, at = "", 0
    while at < len(before):
        character = before[at]
        if quote:
            if character == "\\":
                at += 1
            elif character == quote:
                quote = ""
        elif before.startswith(language.comment, at):
            ended = bool(language.comment_end) and language.comment_end in before[at:]
            if not ended:
                return Zone.COMMENT
            at = before.index(language.comment_end, at) + len(language.comment_end) - 1
        elif character in _QUOTES and not _is_apostrophe(before, at):
            quote = character
        at += 1
    return Zone.STRING if quote else Zone.CODE


def _is_apostrophe(text: str, at: int) -> bool:
    if text[at] != "'":
        return False
    behind_word = at > 0 and text[at - 1].isalnum()
    lifetime = at > 0 and text[at - 1] in "&<" and "'" not in text[at + 1 :]
    # A prefix such as b'..' or f'..' is one letter that follows no other letter.
    prefixed = behind_word and text[at - 1] in "bBfFrRuUL" and not text[at - 2 : at - 1].isalnum()
    return lifetime or (behind_word and not prefixed)

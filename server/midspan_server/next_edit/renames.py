"""Which identifiers a hunk renamed, added and removed."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING

from midspan_server.next_edit.tokens import RESERVED, is_word, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from midspan_server.next_edit.hunks import Hunk

# A larger hunk is a paste or a rewrite; comparing its tokens would take long and say little.
_MOST_LINES = 40
_MOST_RENAMES = 3
_BEHIND_A_NAME = frozenset({",", ":", "="})


@dataclass(frozen=True, slots=True)
class Rename:
    """The identifier `old` became `new`, somewhere in the document `uri`."""

    uri: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Names:
    """Identifiers of a hunk's lines that are gone, and those that are new."""

    removed: frozenset[str]
    added: frozenset[str]


def names(hunk: Hunk) -> Names:
    """The identifiers that a hunk took out of its lines and those that it brought."""
    before, after = set(_identifiers(hunk.before)), set(_identifiers(hunk.after))
    return Names(frozenset(before - after), frozenset(after - before))


def renames(hunk: Hunk) -> tuple[Rename, ...]:
    """Identifiers that were replaced one for one and always by the same; () for a rewrite."""
    found: dict[str, str] = {}
    for before, after in _pieces(hunk):
        for old, new in _replaced(_tokens(before), _tokens(after)):
            if found.setdefault(old, new) != new:
                return ()
    usable = [(old, new) for old, new in found.items() if _is_name(old) and _is_name(new)]
    if len(found) > _MOST_RENAMES or len({new for _, new in usable}) != len(usable):
        return ()
    return tuple(Rename(hunk.uri, old, new) for old, new in usable)


def recent_renames(recent: Sequence[Hunk]) -> Iterator[tuple[Rename, Hunk]]:
    """Renames of the hunks (newest last), newest first; one made in two goes comes whole too.

    A person who stops in the middle of the new name leaves two hunks, `width` to `bre` and `bre` to
    `breadth`: the second yields `bre` to `breadth` and `width` to `breadth`.
    """
    for index in range(len(recent) - 1, -1, -1):
        hunk = recent[index]
        for rename in renames(hunk):
            yield rename, hunk
            for earlier in reversed(recent[:index]):
                if earlier.uri != hunk.uri or not _overlap(earlier, hunk):
                    continue
                for first in renames(earlier):
                    if first.new == rename.old and first.old != rename.new:
                        yield Rename(hunk.uri, first.old, rename.new), hunk


def _pieces(hunk: Hunk) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What to compare: line by line, where none came or went; uses taken in a row are one hunk."""
    if len(hunk.before) == len(hunk.after):
        pairs = zip(hunk.before, hunk.after, strict=True)
        yield from (((old,), (new,)) for old, new in pairs if old != new)
    elif hunk.before and hunk.after and len(hunk.before) + len(hunk.after) <= _MOST_LINES:
        yield hunk.before, hunk.after


def _overlap(one: Hunk, other: Hunk) -> bool:
    return one.line <= other.last_line and other.line <= one.last_line


def _is_name(word: str) -> bool:
    return word not in RESERVED and word.strip("_") != ""


def _identifiers(lines: tuple[str, ...]) -> Iterator[str]:
    return (token for token in _tokens(lines) if is_word(token) and _is_name(token))


def _tokens(lines: tuple[str, ...]) -> list[str]:
    return [token for line in lines for token in tokens(line) if not token.isspace()]


def _replaced(before: list[str], after: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of words that begin what differs between equal tokens."""
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    blocks = [(-1, -1, 1), *map(tuple, matcher.get_matching_blocks())]
    for (first, start, size), (then, there, _) in pairwise(blocks):
        gap = before[first + size : then], after[start + size : there]
        if len(gap[0]) != 1 or not is_word(gap[0][0]) or not gap[1] or not is_word(gap[1][0]):
            continue
        # A parameter may get a type, a default or a neighbour with its new name.
        if len(gap[1]) == 1 or gap[1][1] in _BEHIND_A_NAME:
            yield gap[0][0], gap[1][0]

"""Which identifiers a hunk renamed, added and removed."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
_LONGEST_PAUSE_S = 300.0
_BEHIND_A_NAME = frozenset({",", ":", "="})
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
# Words that are reserved elsewhere and name functions in Rust.
_RUST_NAMES = frozenset({"new", "default", "delete", "export", "import", "assert", "and", "not"})


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
    also = _also_names(hunk)
    before, after = set(_identifiers(hunk.before, also)), set(_identifiers(hunk.after, also))
    return Names(frozenset(before - after), frozenset(after - before))


def renames(hunk: Hunk) -> tuple[Rename, ...]:
    """Identifiers that were replaced one for one and always by the same; () for a rewrite."""
    found: dict[str, str] = {}
    for before, after in _pieces(hunk):
        for old, new in _replaced(_tokens(before), _tokens(after)):
            if found.setdefault(old, new) != new:
                return ()
    also = _also_names(hunk)
    usable = [pair for pair in found.items() if all(_is_name(one, also) for one in pair)]
    if len(found) > _MOST_RENAMES or len({new for _, new in usable}) != len(usable):
        return ()
    return tuple(Rename(hunk.uri, old, new) for old, new in usable)


def recent_renames(recent: Sequence[Hunk]) -> Iterator[tuple[Rename, Hunk]]:
    """Renames of the hunks (newest last), newest first; one made in several goes comes whole too.

    A person who stops in the middle of the new name leaves two hunks, `width` to `bre` and `bre` to
    `breadth`: the second yields `bre` to `breadth` and `width` to `breadth`. Who rubs the old name
    out, waits and writes the new one leaves no hunk that is a rename by itself.
    """
    alone = [renames(hunk) for hunk in recent]
    for index in range(len(recent) - 1, -1, -1):
        whole = recent[index]
        for rename in alone[index]:
            yield rename, whole
        for first in range(index - 1, -1, -1):
            earlier = recent[first]
            if earlier.uri != whole.uri or not _overlap(earlier, whole):
                continue
            folded = _folded(earlier, whole)
            if folded is None:
                break
            whole = folded
            changed = names(whole)
            for rename in renames(whole):
                # What is on the line before and after may have changed its place.
                is_whole = rename.old in changed.removed and rename.new in changed.added
                if is_whole and not any(rename in known for known in alone[first:index]):
                    yield rename, whole


def _folded(earlier: Hunk, later: Hunk) -> Hunk | None:
    """Both as one; None where lines came or went, or too much time passed for one intention."""
    if later.at - earlier.at > _LONGEST_PAUSE_S:
        return None
    if any(len(one.before) != len(one.after) for one in (earlier, later)):
        return None
    middle = dict(enumerate(earlier.after, earlier.line))
    known = dict(enumerate(later.before, later.line))
    if any(middle[at] != known[at] for at in middle.keys() & known.keys()):
        return None
    before = known | dict(enumerate(earlier.before, earlier.line))
    after = middle | dict(enumerate(later.after, later.line))
    lines = sorted(before)
    return replace(
        later,
        line=lines[0],
        before=tuple(before[at] for at in lines),
        after=tuple(after[at] for at in lines),
    )


def _pieces(hunk: Hunk) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What to compare: line by line, where none came or went; uses taken in a row are one hunk."""
    if len(hunk.before) == len(hunk.after):
        pairs = zip(hunk.before, hunk.after, strict=True)
        yield from (((old,), (new,)) for old, new in pairs if old != new)
    elif hunk.before and hunk.after and len(hunk.before) + len(hunk.after) <= _MOST_LINES:
        yield hunk.before, hunk.after


def _overlap(one: Hunk, other: Hunk) -> bool:
    return one.line <= other.last_line and other.line <= one.last_line


def _also_names(hunk: Hunk) -> frozenset[str]:
    return _RUST_NAMES if hunk.uri.endswith(".rs") else frozenset()


def _is_name(word: str, also: frozenset[str]) -> bool:
    return (word not in RESERVED or word in also) and word.strip("_") != ""


def _identifiers(lines: tuple[str, ...], also: frozenset[str]) -> Iterator[str]:
    return (token for token in _tokens(lines) if is_word(token) and _is_name(token, also))


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
        # A parameter may get a type or a default with its new name. With a neighbour nobody can say
        # which of the two it became.
        if len(gap[1]) == 1 or (gap[1][1] in _BEHIND_A_NAME and not _has_neighbour(gap[1])):
            yield gap[0][0], gap[1][0]


def _has_neighbour(gap: Sequence[str]) -> bool:
    """Whether a word follows a comma outside of brackets."""
    depth = 0
    is_next = False
    for one in gap:
        depth += (one in _OPENING) - (one in _CLOSING)
        is_next = is_next or (one == "," and depth <= 0)
        if is_next and is_word(one):
            return True
    return False

"""What a region would be if the person's newest change were made in it too: the first guess."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WORDS = re.compile(r"\w+|[^\S\n]+|\n|[^\w\s]")
_LEFT, _RIGHT = 3, 1
"""Words of context that have to agree where the change is more than one word for another."""
_MOST_WORDS, _MOST_CHARS = 600, 8_000
"""Of lines that replace each other, and of a hunk; larger ones are no pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replacement:
    """`left + old + right` becomes `left + new + right`; all are words, blanks and signs."""

    left: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    right: tuple[str, ...]

    @property
    def pattern(self) -> tuple[str, ...]:
        return self.left + self.old + self.right


def repeated(diff: str, region: str) -> str:
    """`region` with the replacements of a hunk, whose lines begin with a space, `-` or `+`."""
    if len(diff) > _MOST_CHARS:
        return region
    words = _WORDS.findall(f"\n{region}")
    for one in _replacements(diff):
        words = _replaced(words, one)
    return "".join(words[1:])


def _replacements(diff: str) -> list[_Replacement]:
    found: dict[tuple[str, ...], _Replacement] = {}
    for removed, added in _blocks(diff):
        old, new = _WORDS.findall(removed), _WORDS.findall(added)
        if len(old) + len(new) > _MOST_WORDS:
            continue
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        for tag, first, last, begin, end in matcher.get_opcodes():
            if tag != "equal":
                one = _replacement(old, new, (first, last), (begin, end))
                found.setdefault(one.pattern, one)
    return [one for one in found.values() if any(word.strip() for word in one.pattern)]


def _replacement(
    old: list[str], new: list[str], was: tuple[int, int], becomes: tuple[int, int]
) -> _Replacement:
    gone, come = tuple(old[slice(*was)]), tuple(new[slice(*becomes)])
    is_word = len(gone) == 1 and len(gone[0]) > 1 and gone[0].isidentifier() and bool(come)
    left, right = (0, 0) if is_word else (_LEFT, _RIGHT)
    return _Replacement(
        left=tuple(old[max(0, was[0] - left) : was[0]]),
        old=gone,
        new=come,
        right=tuple(old[was[1] : was[1] + right]),
    )


def _blocks(diff: str) -> Iterator[tuple[str, str]]:
    """Lines removed and the lines added in their place, line breaks at both ends."""
    removed: list[str] = []
    added: list[str] = []
    for line in [*diff.splitlines(), " "]:
        if line.startswith("+"):
            added.append(line[1:])
            continue
        if added:
            if removed:
                yield _lines(removed), _lines(added)
            removed, added = [], []
        if line.startswith("-"):
            removed.append(line[1:])
        else:
            removed = []


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(("", *lines, ""))


def _replaced(words: Sequence[str], one: _Replacement) -> list[str]:
    pattern, size = list(one.pattern), len(one.pattern)
    becomes = [*one.left, *one.new, *one.right]
    made: list[str] = []
    at = 0
    while at < len(words):
        if words[at : at + size] == pattern:
            made += becomes
            at += size
        else:
            made.append(words[at])
            at += 1
    return made

"""`Template`: what two changes have in common, token by token.

Where the two differ anything of the same kind may stand, and is carried over. A template is of
whole lines, or of a part that was changed within two lines that are not alike otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import TYPE_CHECKING

from midspan_server.next_edit.tokens import KEYWORDS, is_word, kind

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEAR = 3
"""Tokens on either side of a part that are asked for where both lines have them."""
_APART = 2
"""Changes with no more tokens between them are one."""
_FEWEST_SIGNS = 2
_TYPES = frozenset(
    "bool boolean byte char double float int long object short str string".split()  # noqa: SIM905
)
_DECLARE = frozenset("class def enum fn func function interface struct trait type".split())  # noqa: SIM905
_CLOSERS = {")": "(", "]": "[", "}": "{"}

_Pair = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Template:
    """What two examples share.

    Attributes:
        before: The tokens of a line, in place of a wildcard the kind of token that may stand there.
        wild: Positions of the wildcards.
        after: A token, or the position of the wildcard whose token goes there.
    """

    before: tuple[str, ...]
    wild: frozenset[int]
    after: tuple[str | int, ...]

    @property
    def words(self) -> set[str]:
        """Names that a line has to have."""
        fixed = (word for at, word in enumerate(self.before) if at not in self.wild)
        return {word for word in fixed if is_word(word) and word not in KEYWORDS}

    def rewritten(self, line: tuple[str, ...]) -> str | None:
        """What a line becomes; None where it is of another shape."""
        if len(line) != len(self.before):
            return None
        for at, expected in enumerate(self.before):
            if (_kind(line[at]) if at in self.wild else line[at]) != expected:
                return None
        return "".join(line[part] if isinstance(part, int) else part for part in self.after)


def template(one: _Pair, two: _Pair) -> Template | None:
    """What two pairs of token lists, before and after, have in common; None if they differ more."""
    (before, after), (other_before, other_after) = one, two
    if len(before) != len(other_before) or len(after) != len(other_after):
        return None
    pattern, wild = list(before), set()
    for at, (mine, other) in enumerate(zip(before, other_before, strict=True)):
        if mine != other:
            if _kind(mine) != _kind(other) or mine.isspace():
                return None
            pattern[at] = _kind(mine)
            wild.add(at)
    made: list[str | int] = []
    for mine, other in zip(after, other_after, strict=True):
        if mine == other:
            made.append(mine)
            continue
        source = next((at for at in wild if (before[at], other_before[at]) == (mine, other)), None)
        if source is None:
            return None
        made.append(source)
    return Template(tuple(pattern), frozenset(wild), tuple(made))


@dataclass(frozen=True, slots=True)
class _Change:
    """A part of a line, as token positions in what it was and in what it is."""

    before: slice
    after: slice


def _kind(token: str) -> str:
    """See `tokens.kind`; where types stand, `str` may stand as well as `Path`."""
    return "name" if token in _TYPES else kind(token)


def parts(one: _Pair, two: _Pair) -> list[Template]:
    """What was changed alike within two lines that were changed in other places too, or are longer.

    A part has to say what it is about: it has a name and another token, if need be of what stands
    around it in both lines, and what was put in between has something on either side. What it makes
    must not look as if it were to be changed again.
    """
    found: list[Template] = []
    others = list(_changes(two))
    for mine in _changes(one):
        for other in others:
            made = _part(one, mine, two, other)
            if made is not None and made not in found:
                found.append(made)
    return found


def replaced(found: Template, line: tuple[str, ...]) -> tuple[str, ...] | None:
    """The line with the part rewritten wherever it stands; None where it does not.

    A name is no member of something and is not declared there, unless the part says so.
    """
    size, at, made = len(found.before), 0, []
    is_there = False
    while at < len(line):
        is_other = is_word(found.before[0]) and _stands_apart(line[:at])
        new = None if is_other else found.rewritten(line[at : at + size])
        if new is None:
            made.append(line[at])
            at += 1
        else:
            made.append(new)
            at += size
            is_there = True
    return tuple(made) if is_there else None


def _stands_apart(before: tuple[str, ...]) -> bool:
    """Whether what follows is a member, or is declared."""
    last = next((token for token in reversed(before) if not token.isspace()), "")
    return last in _DECLARE or _is_member(before)


def _is_member(before: Sequence[str]) -> bool:
    return "".join(before[-2:]).endswith((".", "->", "::"))


def _part(one: _Pair, mine: _Change, two: _Pair, other: _Change) -> Template | None:
    """The smallest part around both changes that says enough."""
    left = _shared(one[0][: mine.before.start][::-1], two[0][: other.before.start][::-1])
    right = _shared(one[0][mine.before.stop :], two[0][other.before.stop :])
    is_new = not one[0][mine.before]
    sides = (one, mine), (two, other)
    if is_new and not (left and right):
        return None
    dots = [_is_member(before[: at.before.start]) for (before, _), at in sides]
    if any(dots) != all(dots):
        return None
    if not all(_is_balanced(b[at.before]) and _is_balanced(a[at.after]) for (b, a), at in sides):
        return None
    for reach in range(is_new or all(dots), _NEAR + 1):
        pairs = [_around(pair, at, min(left, reach), min(right, reach)) for pair, at in sides]
        found = template(*pairs)
        if found is not None and _says_enough(found):
            return found if replaced(found, tuple(pairs[0][1])) is None else None
    return None


def _around(pair: _Pair, change: _Change, left: int, right: int) -> _Pair:
    before, after = (
        tokens[part.start - left : part.stop + right]
        for tokens, part in zip(pair, (change.before, change.after), strict=True)
    )
    return before, after


def _says_enough(found: Template) -> bool:
    signs = sum(not token.isspace() for token in found.before)
    return signs >= _FEWEST_SIGNS and bool(found.words) and found.before != found.after


def _shared(one: Sequence[str], two: Sequence[str]) -> int:
    """How many of the tokens next to a change are the same; blanks alone are none."""
    same = list(takewhile(lambda pair: pair[0] == pair[1], zip(one[:_NEAR], two, strict=False)))
    return len(same) if any(not token.isspace() for token, _ in same) else 0


def _changes(pair: _Pair) -> Iterator[_Change]:
    before, after = pair
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    found: _Change | None = None
    for tag, start, stop, new_start, new_stop in codes:
        if tag == "equal":
            continue
        if found is not None and start - found.before.stop <= _APART:
            start, new_start = found.before.start, found.after.start  # noqa: PLW2901
        elif found is not None:
            yield found
        found = _Change(slice(start, stop), slice(new_start, new_stop))
    if found is not None:
        yield found


def _is_balanced(part: Sequence[str]) -> bool:
    """Whether brackets that the tokens open are closed there, and no others."""
    opened: list[str] = []
    for token in part:
        if token in _CLOSERS.values():
            opened.append(token)
        elif token in _CLOSERS and (not opened or opened.pop() != _CLOSERS[token]):
            return False
    return not opened

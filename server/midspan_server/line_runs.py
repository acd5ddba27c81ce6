"""Where two lists of lines differ: every place on its own, in bounded time."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from operator import eq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TRAILING_COMMA = re.compile(r",(?=[)\]}])")
_SPACE = re.compile(r"\s+")
# Changes with fewer equal lines between them are one to whoever reads them.
_BETWEEN = 3
# Comparing every line with every other takes too long above this.
_MOST_PAIRS = 40_000
_MOST_LINES = 20_000

_Block = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Run:
    """Lines `start` to `end` of the old list became `new_start` to `new_end` of the new one."""

    start: int
    end: int
    new_start: int
    new_end: int
    is_formatting: bool


def plain(text: str) -> str:
    """The text without what a formatter changes: blanks, line ends and trailing commas."""
    return _TRAILING_COMMA.sub("", _SPACE.sub("", text)).removesuffix(",")


def changed_runs(old: Sequence[str], new: Sequence[str]) -> list[Run]:
    """What differs, in order; formatting stays apart from what changes a meaning.

    Of very long lists all is one run.
    """
    if len(old) + len(new) > _MOST_LINES:
        return [Run(0, len(old), 0, len(new), is_formatting=False)]
    found: list[Run] = []
    for run in _runs(old, new):
        last = found[-1] if found else None
        if last is not None and _belong_together(last, run):
            found[-1] = Run(last.start, run.end, last.new_start, run.new_end, run.is_formatting)
        else:
            found.append(run)
    return found


def _belong_together(one: Run, other: Run) -> bool:
    if one.is_formatting or other.is_formatting:
        return one.is_formatting and other.is_formatting and one.end == other.start
    return other.start - one.end < _BETWEEN


def _runs(old: Sequence[str], new: Sequence[str]) -> Iterator[Run]:
    """Aligned by what is no formatting, so that a file indented anew is no new file."""
    was, now = [plain(line) for line in old], [plain(line) for line in new]
    for start, end, new_start, new_end in _differing(was, now):
        if end - start == new_end - new_start and was[start:end] == now[new_start:new_end]:
            for at in range(end - start):
                if old[start + at] != new[new_start + at]:
                    place = start + at, new_start + at
                    yield Run(place[0], place[0] + 1, place[1], place[1] + 1, is_formatting=True)
            continue
        texts = "\n".join(old[start:end]), "\n".join(new[new_start:new_end])
        is_formatting = plain(texts[0]) == plain(texts[1])
        yield Run(start, end, new_start, new_end, is_formatting)


def _differing(was: list[str], now: list[str]) -> Iterator[_Block]:
    """All of both lists as blocks, equal ones and others."""
    if _is_same_length(was, now) or len(was) * len(now) <= _MOST_PAIRS:
        yield from _blocks(was, now)
        return
    first = there = 0
    for start, new_start in (*_anchors(was, now), (len(was), len(now))):
        for one, two, three, four in _blocks(was[first:start], now[there:new_start]):
            yield first + one, first + two, there + three, there + four
        first, there = start, new_start


def _blocks(was: list[str], now: list[str]) -> Iterator[_Block]:
    if _is_same_length(was, now):
        yield from ((at, at + 1, at, at + 1) for at in range(len(was)))
    elif len(was) * len(now) <= _MOST_PAIRS:
        for _, *block in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
            yield block[0], block[1], block[2], block[3]
    else:
        yield 0, len(was), 0, len(now)


def _is_same_length(was: list[str], now: list[str]) -> bool:
    """Whether lines changed in their places, most of them not at all."""
    return len(was) == len(now) and 2 * sum(map(eq, was, now)) >= len(was)


def _anchors(was: list[str], now: list[str]) -> list[tuple[int, int]]:
    """Positions of lines that each list has once, as many as are in the same order in both."""
    counts = Counter(was), Counter(now)
    places = {line: at for at, line in enumerate(now) if counts[1][line] == 1}
    pairs = [
        (at, places[line]) for at, line in enumerate(was) if counts[0][line] == 1 and line in places
    ]
    ends: list[int] = []
    tails: list[int] = []
    before: list[int] = []
    for index, (_, there) in enumerate(pairs):
        length = bisect_left(ends, there)
        before.append(tails[length - 1] if length else -1)
        ends[length : length + 1], tails[length : length + 1] = [there], [index]
    chain: list[tuple[int, int]] = []
    index = tails[-1] if tails else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]

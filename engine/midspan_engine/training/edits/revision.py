"""One file on its way from an old text to a new one, and the samples that can be cut from it."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from midspan_engine.decoding.edit_prompt import hunk_text
from midspan_engine.training.edits.samples import EditSample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

REGION_CHARS = 600
"""At most; 150 tokens, more or less."""
_REGION_LINES = 24
_BEFORE_CHARS, _AFTER_CHARS = 1_400, 800
_WORD = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`old[start:end]` becomes `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """All changes of one file.

    Attributes:
        changes: In the order that a person would make them; no two share a line of `old`.
    """

    kind: str
    language: str
    path: str
    old: str
    changes: tuple[Change, ...]

    @property
    def new(self) -> str:
        """The text with all changes."""
        return applied(self.old, 0, len(self.old), self.changes)


def applied(old: str, start: int, end: int, changes: Iterable[Change]) -> str:
    """`old[start:end]` with those of the changes that lie inside it."""
    pieces, at = [], start
    for change in sorted(changes, key=lambda change: (change.start, change.end)):
        if start <= change.start and change.end <= end:
            pieces += [old[at : change.start], change.text]
            at = change.end
    return "".join((*pieces, old[at:end]))


def by_line(old: str, changes: Sequence[Change]) -> tuple[Change, ...]:
    """Changes of the same line joined, in the order of the first one of each line."""
    lines = Lines(old)
    joined: dict[int, Change] = {}
    for change in sorted(changes, key=lambda change: change.start):
        place = lines.at(change.start)
        before = joined.get(place)
        if before is not None:
            between = old[before.end : change.start]
            change = Change(  # noqa: PLW2901 - what it is joined to
                start=before.start, end=change.end, text=before.text + between + change.text
            )
        joined[place] = change
    order = dict.fromkeys(lines.at(change.start) for change in changes)
    return tuple(joined[place] for place in order)


class Lines:
    """Where the lines of a text begin."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def at(self, offset: int) -> int:
        """Number of the line that holds `offset`."""
        return bisect.bisect_right(self.starts, offset) - 1

    def around(self, change: Change) -> tuple[int, int]:
        """First line and one past the last line that a change touches; equal if it inserts."""
        first = self.at(change.start)
        if change.start == change.end and change.start == self.starts[first]:
            return first, first
        return first, self.at(max(change.start, change.end - 1)) + 1


def words_of(text: str) -> set[str]:
    """Identifiers of three or more characters."""
    return set(_WORD.findall(text))


def changed_words(old: str, change: Change) -> tuple[set[str], set[str]]:
    """(removed, added) identifiers."""
    before, after = words_of(old[change.start : change.end]), words_of(change.text)
    return before - after, after - before


def past_edit(revision: Revision, change: Change, done: Sequence[Change] = ()) -> tuple[str, str]:
    """(path, hunk) of a change made after `done`, with a line of context on either side."""
    lines = Lines(revision.old)
    first, last = lines.around(change)
    start = lines.starts[max(0, first - 1)]
    end = lines.starts[min(len(lines.starts) - 1, last + 1)]
    old = revision.old
    before = applied(old, start, end, done)
    return revision.path, hunk_text(before, applied(old, start, end, [*done, change]))


class Cutter:
    """Cuts samples out of one revision; `others` are hunks of related files."""

    def __init__(self, revision: Revision, rng: np.random.Generator) -> None:
        self.revision, self.rng = revision, rng
        self.lines = Lines(revision.old)

    def changed(
        self, done: Sequence[Change], target: Change, history: Sequence[tuple[str, str]]
    ) -> EditSample | None:
        """The sample that has `target`, and what else is due around it, as its answer."""
        place = self._grow(*self.lines.around(target))
        sample = self._cut(place, done, history) if place else None
        if sample is None or sample.quiet:
            return None
        return sample if (sample.original + sample.updated).strip() else None

    def unchanged(
        self, line: int, done: Sequence[Change], history: Sequence[tuple[str, str]]
    ) -> EditSample | None:
        """A region around `line` of the old text in which nothing is left to do."""
        place = self._grow(line, line + 1)
        if place is None:
            return None
        start, end = place
        inside = [c for c in self.revision.changes if start <= c.start and c.end <= end]
        if any(change not in done for change in inside):
            return None
        sample = self._cut(place, done, history)
        return sample if sample and sample.quiet and sample.original.strip() else None

    def _cut(
        self, place: tuple[int, int], done: Sequence[Change], history: Sequence[tuple[str, str]]
    ) -> EditSample | None:
        (start, end), revision = place, self.revision
        old = revision.old
        inside = [c for c in revision.changes if start <= c.start and c.end <= end]
        outside = [change for change in done if change not in inside]
        original = applied(old, start, end, [change for change in inside if change in done])
        updated = applied(old, start, end, inside)
        if max(len(original), len(updated)) > REGION_CHARS * 1.2:
            return None
        return EditSample(
            kind=revision.kind,
            language=revision.language,
            path=revision.path,
            history=tuple(history),
            before=_tail(applied(old, 0, start, outside)),
            original=original,
            updated=updated,
            after=_head(applied(old, end, len(old), outside)),
        )

    def _grow(self, first: int, last: int) -> tuple[int, int] | None:
        """Offsets of a region of whole lines around lines `first` to `last`, at a random place."""
        starts, total = self.lines.starts, len(self.lines.starts) - 1
        share = float(self.rng.random())
        budget = REGION_CHARS * float(self.rng.uniform(0.8, 1.0))
        up, down = first, last
        while True:
            above, below = up > 0, down < total
            rise = above and (not below or self.rng.random() < share)
            if not (above or below):
                break
            wider = (up - 1, down) if rise else (up, down + 1)
            size = starts[wider[1]] - starts[wider[0]]
            if size > budget or wider[1] - wider[0] > _REGION_LINES:
                break
            up, down = wider
        return self._clear_of_borders(starts[up], starts[down], starts[first], starts[last])

    def _clear_of_borders(
        self, start: int, end: int, least_start: int, least_end: int
    ) -> tuple[int, int] | None:
        """The region cut back so that it crosses no change; None if it then loses its target."""
        for change in self.revision.changes:
            if change.start < start < change.end:
                start = self.lines.starts[self.lines.around(change)[1]]
            if change.start < end < change.end:
                end = self.lines.starts[self.lines.at(change.start)]
        return (start, end) if start <= least_start and end >= least_end and start < end else None


def _tail(text: str) -> str:
    cut = text[-_BEFORE_CHARS:]
    return cut if len(cut) == len(text) else cut[cut.find("\n") + 1 :]


def _head(text: str) -> str:
    return text if len(text) <= _AFTER_CHARS else text[: text.rfind("\n", 0, _AFTER_CHARS) + 1]


def reordered(revision: Revision, rng: np.random.Generator) -> Revision:
    """Now and then another order: after the first change the rest follows from top to bottom."""
    changes = list(revision.changes)
    if len(changes) > 2 and rng.random() < 0.3:  # noqa: PLR2004 - shares
        rest = changes[1:]
        rng.shuffle(rest)
        changes[1:] = rest
    return replace(revision, changes=tuple(changes))

"""`LineChange`: lines of a document that became others, and how two such changes make one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from midspan_server.line_runs import changed_runs
from midspan_server.syntax.tree import common_prefix, common_suffix

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_server.snapshot import DocumentSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChange:
    """Lines `old`, from line number `first` on, became `new`.

    Attributes:
        at: When, in seconds.
        is_tidying: The lines are there as before but for what a formatter changes.
    """

    uri: str
    path: Path | None
    first: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    at: float
    is_tidying: bool = False

    @property
    def size(self) -> int:
        """Characters that went and came."""
        return sum(map(len, self.old)) + sum(map(len, self.new))

    def trimmed(self) -> LineChange:
        """Without the lines at both ends that did not change."""
        shorter = min(len(self.old), len(self.new))
        head = 0
        while head < shorter and self.old[head] == self.new[head]:
            head += 1
        tail = 0
        while tail < shorter - head and self.old[-1 - tail] == self.new[-1 - tail]:
            tail += 1
        return replace(
            self,
            first=self.first + head,
            old=self.old[head : len(self.old) - tail],
            new=self.new[head : len(self.new) - tail],
        )

    def pieces(self) -> list[LineChange]:
        """The same as several where lines in between did not change, in order.

        Each is numbered as if it came first: make the last one first.
        """
        if max(len(self.old), len(self.new)) <= 1 or not (self.old and self.new):
            return [self]
        return [
            replace(
                self,
                first=self.first + run.start,
                old=self.old[run.start : run.end],
                new=self.new[run.new_start : run.new_end],
                is_tidying=run.is_formatting
                and run.end > run.start
                and run.new_end > run.new_start,
            )
            for run in changed_runs(self.old, self.new)
        ]

    def touches(self, later: LineChange) -> bool:
        """Whether `later` changes lines that this one wrote, or lines right beside them."""
        return later.first <= self.first + len(self.new) and self.first <= later.first + len(
            later.old
        )

    def overlaps(self, later: LineChange) -> bool:
        """Whether `later` changes lines that this one wrote."""
        return later.first < self.first + len(self.new) and self.first < later.first + len(
            later.old
        )

    def then(self, later: LineChange) -> LineChange:
        """Both as one change; `later` touches this one."""
        above = later.old[: max(0, self.first - later.first)]
        below = later.old[max(0, self.first + len(self.new) - later.first) :]
        between = (*above, *self.new, *below)
        start = min(self.first, later.first)
        at = later.first - start
        return replace(
            later,
            first=start,
            old=(*above, *self.old, *below),
            new=(*between[:at], *later.new, *between[at + len(later.old) :]),
            is_tidying=self.is_tidying and later.is_tidying,
        ).trimmed()

    def moved(self, later: LineChange) -> LineChange:
        """With its line number as it is after `later`, which may add or remove lines above."""
        if self.uri != later.uri or later.first + len(later.old) > self.first:
            return self
        return replace(self, first=self.first + len(later.new) - len(later.old))


def difference(before: DocumentSnapshot, after: DocumentSnapshot, at: float) -> LineChange | None:
    """The one run of lines that differs; None where nothing does."""
    if before.text == after.text:
        return None
    start = common_prefix(before.text, after.text)
    tail = common_suffix(before.text, after.text, min(len(before.text), len(after.text)) - start)
    return LineChange(
        uri=after.uri,
        path=after.path,
        first=after.line_of(start),
        old=_lines(before, start, len(before.text) - tail),
        new=_lines(after, start, len(after.text) - tail),
        at=at,
    ).trimmed()


def _lines(snapshot: DocumentSnapshot, start: int, end: int) -> tuple[str, ...]:
    return tuple(
        snapshot.text[snapshot.line_starts[line] : snapshot.line_end(line)]
        for line in range(snapshot.line_of(start), snapshot.line_of(end) + 1)
    )

"""What the user changed lately: the edits of all documents, oldest first, bursts joined.

A keystroke is no edit. Changes of one document that touch or adjoin each other within a few
seconds become one entry, which tells what the lines were before the burst and what they are now.
A save ends a burst, and is remembered as a point between the edits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from midspan_server.syntax.tree import common_prefix, common_suffix

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_server.snapshot import DocumentSnapshot

MAX_EDITS = 64
BURST_S = 5.0
# A larger change is a paste, a formatter or a checkout: it says nothing about intent.
_MAX_CHARS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentEdit:
    """Whole lines that changed.

    Attributes:
        path: File of the document, None if unsaved; `uri` names it in any case.
        before: The lines as they were, joined with LF; "" when lines were only added.
        after: The lines as they are now, likewise.
        line: Number of the first changed line in the document's newest text.
        at: Time of the last change of the burst, in seconds.
    """

    uri: str
    path: Path | None
    before: str
    after: str
    line: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SavePoint:
    """A save of the document `uri` at the time `at`, in seconds."""

    uri: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """Lines `old`, from line number `first` on, became `new`."""

    uri: str
    path: Path | None
    first: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    at: float

    @property
    def size(self) -> int:
        return sum(map(len, self.old)) + sum(map(len, self.new))

    def trimmed(self) -> _Change:
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

    def touches(self, later: _Change) -> bool:
        """Whether `later` changes lines that this one wrote, or lines right beside them."""
        return later.first <= self.first + len(self.new) and self.first <= later.first + len(
            later.old
        )

    def then(self, later: _Change) -> _Change:
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
        ).trimmed()

    def published(self) -> RecentEdit:
        return RecentEdit(
            uri=self.uri,
            path=self.path,
            before="\n".join(self.old),
            after="\n".join(self.new),
            line=self.first,
            at=self.at,
        )


class EditHistory:
    """A bounded list of edits. Times come from the caller, in seconds of any steady clock."""

    def __init__(self, limit: int = MAX_EDITS) -> None:
        self._limit = limit
        self._changes: list[_Change] = []
        self._saves: deque[SavePoint] = deque(maxlen=limit)
        self._took_back = False

    def record(self, before: DocumentSnapshot, after: DocumentSnapshot, at: float) -> None:
        """Note that `before` became `after` at time `at`.

        A change that takes back the last one of its document removes it, however late it comes.

        Raises:
            ValueError: the snapshots are of different documents.
        """
        if before.uri != after.uri:
            raise ValueError(f"{before.uri} and {after.uri} are different documents")
        change = _difference(before, after, at)
        if change is None:
            return
        last = self._last_of(change.uri)
        joined = None
        if last is not None:
            known = self._changes[last]
            joined = _joined(known, change, is_saved=self._saved_since(known))
        if last is not None and joined is not None:
            del self._changes[last]
        self._changes = [_moved(known, change) for known in self._changes]
        newest = change if joined is None else joined
        self._took_back = newest.old == newest.new
        if newest.old != newest.new and newest.size <= _MAX_CHARS:
            self._changes.append(newest)
        del self._changes[: -self._limit]

    def recent(self, limit: int) -> tuple[RecentEdit, ...]:
        """The newest `limit` edits, newest last."""
        chosen = self._changes[-limit:] if limit > 0 else []
        return tuple(change.published() for change in chosen)

    @property
    def took_back(self) -> bool:
        """Whether the last change undid the one before it, as far as that is remembered."""
        return self._took_back

    def saved(self, uri: str, at: float) -> None:
        """Note a save at time `at`: what is typed from here on is another edit."""
        self._saves.append(SavePoint(uri=uri, at=at))

    def saves(self) -> tuple[SavePoint, ...]:
        """The newest saves, newest last."""
        return tuple(self._saves)

    def copy(self) -> EditHistory:
        """One that goes its own way from here on."""
        other = EditHistory(self._limit)
        other._changes, other._saves = [*self._changes], self._saves.copy()
        return other

    def forget(self, uri: str) -> None:
        """Drop the edits of a document, for example one that must not be read any more."""
        self._changes = [known for known in self._changes if known.uri != uri]

    def _saved_since(self, known: _Change) -> bool:
        return any(save.uri == known.uri and save.at >= known.at for save in self._saves)

    def _last_of(self, uri: str) -> int | None:
        for index in range(len(self._changes) - 1, -1, -1):
            if self._changes[index].uri == uri:
                return index
        return None


def _joined(known: _Change, later: _Change, *, is_saved: bool) -> _Change | None:
    """Both as one change, if `later` belongs to the burst of `known` or takes it back."""
    if not known.touches(later):
        return None
    joined = known.then(later)
    if joined.old == joined.new:
        return joined
    is_burst = not is_saved and later.at - known.at <= BURST_S
    return joined if is_burst and joined.size <= _MAX_CHARS else None


def _moved(known: _Change, later: _Change) -> _Change:
    """`known` with its line number as it is after `later`, which may add or remove lines above."""
    if known.uri != later.uri or later.first + len(later.old) > known.first:
        return known
    return replace(known, first=known.first + len(later.new) - len(later.old))


def _difference(before: DocumentSnapshot, after: DocumentSnapshot, at: float) -> _Change | None:
    """The one run of lines that differs; None where nothing does."""
    if before.text == after.text:
        return None
    start = common_prefix(before.text, after.text)
    tail = common_suffix(before.text, after.text, min(len(before.text), len(after.text)) - start)
    return _Change(
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

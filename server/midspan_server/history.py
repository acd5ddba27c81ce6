"""What the user changed lately: the edits of all documents, oldest first, bursts joined.

A keystroke is no edit. Changes of one document that touch or adjoin each other within a few
seconds become one entry, which tells what the lines were before the burst and what they are now.
A save ends a burst, and is remembered as a point between the edits. A change in several places at
once becomes an entry for each; what a formatter adds to an edit just made stands behind that edit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from midspan_server.line_change import LineChange, difference

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_server.snapshot import DocumentSnapshot

MAX_EDITS = 64
BURST_S = 5.0
# A larger change is a paste, a formatter or a checkout: it says nothing about intent.
_MAX_CHARS = 4_000
_MOST_PLACES = 8
# An editor tells of several places one after the other, and undoes them in any order.
_AT_ONCE_S = 0.1
_MOST_TEXTS = 64


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


class EditHistory:
    """A bounded list of edits. Times come from the caller, in seconds of any steady clock."""

    def __init__(self, limit: int = MAX_EDITS) -> None:
        self._limit = limit
        self._changes: list[LineChange] = []
        self._saves: deque[SavePoint] = deque(maxlen=limit)
        self._took_back = False
        # What documents were, each step once: what comes after an undo is forgotten.
        self._texts: deque[tuple[str, int]] = deque(maxlen=_MOST_TEXTS)

    def record(self, before: DocumentSnapshot, after: DocumentSnapshot, at: float) -> None:
        """Note that `before` became `after` at time `at`.

        A change that takes back the last one of its document removes it, however late it comes.

        Raises:
            ValueError: the snapshots are of different documents.
        """
        if before.uri != after.uri:
            raise ValueError(f"{before.uri} and {after.uri} are different documents")
        change = difference(before, after, at)
        if change is None:
            return
        is_undo = self._returns(before, after)
        pieces = [change] if self._takes_back(change) else change.pieces()
        fresh, grown = self._told_apart(pieces)
        self._took_back = is_undo or any(one.old == one.new for one in grown)
        if len(pieces) > _MOST_PLACES:
            fresh = [] if grown else [change]
        self._place([one for one in fresh if one.size <= _MAX_CHARS], len(pieces) > 1, at)
        self._changes += [one for one in grown if one.old != one.new]
        del self._changes[: -self._limit]

    def recent(self, limit: int) -> tuple[RecentEdit, ...]:
        """The newest `limit` edits, newest last."""
        chosen = self._changes[-limit:] if limit > 0 else []
        return tuple(map(_published, chosen))

    @property
    def took_back(self) -> bool:
        """Whether the last change brought back what was before, and nothing was saved since."""
        return self._took_back

    def saved(self, uri: str, at: float) -> None:
        """Note a save at time `at`: what is typed from here on is another edit."""
        self._saves.append(SavePoint(uri=uri, at=at))
        self._took_back = False

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

    def _told_apart(self, pieces: list[LineChange]) -> tuple[list[LineChange], list[LineChange]]:
        """What is new, a handful at most, and known changes with what continues them."""
        fresh: list[LineChange] = []
        grown: list[LineChange] = []
        is_alone = len(pieces) == 1
        # From below, so that the numbers of the lines above still hold.
        for piece in reversed(pieces):
            joined = self._take_joined(piece, grown, is_alone=is_alone) or self._take_joined(
                piece, self._changes, is_alone=is_alone
            )
            if len(piece.new) != len(piece.old):
                for changes in (self._changes, fresh, grown):
                    changes[:] = [known.moved(piece) for known in changes]
            if joined is not None:
                grown.insert(0, joined)
            elif len(fresh) <= _MOST_PLACES:
                fresh.insert(0, piece)
        return fresh, grown

    def _place(self, fresh: list[LineChange], is_wide: bool, at: float) -> None:
        """Add changes: what a tool did within a burst stands before what the person did."""
        place = len(self._changes)
        while is_wide and place and at - self._changes[place - 1].at <= BURST_S:
            place -= 1
        if place < len(self._changes):
            fresh = [replace(one, at=min(at, self._changes[place].at)) for one in fresh]
        self._changes[place:place] = fresh

    def _takes_back(self, change: LineChange) -> bool:
        """Whether the last change of the document, of many places, is taken back as a whole."""
        known = next((one for one in reversed(self._changes) if one.uri == change.uri), None)
        if known is None or not known.touches(change):
            return False
        joined = known.then(change)
        return joined.old == joined.new

    def _take_joined(
        self, later: LineChange, changes: list[LineChange], *, is_alone: bool
    ) -> LineChange | None:
        """`later` with the change it continues or takes back, which is removed; None for none."""
        newer: list[LineChange] = []
        for index in range(len(changes) - 1, -1, -1):
            known = changes[index]
            if known.uri != later.uri:
                continue
            is_recent = later.at - known.at <= BURST_S
            if newer and not is_recent and newer[0].at - known.at > _AT_ONCE_S:
                return None
            if known.touches(later):
                if any(known.overlaps(one) for one in newer):
                    return None
                joined = self._joined(known, later, is_recent=is_recent, is_alone=is_alone)
                if joined is not None:
                    del changes[index]
                return joined
            newer.append(known)
        return None

    def _joined(
        self, known: LineChange, later: LineChange, *, is_recent: bool, is_alone: bool
    ) -> LineChange | None:
        joined = known.then(later)
        if joined.old == joined.new:
            return joined
        if not is_recent or joined.size > _MAX_CHARS:
            return None
        if later.is_tidying:
            # Formatting the lines of an edit makes it no newer, and often comes after the save.
            return replace(joined, at=known.at) if known.overlaps(later) else None
        if self._saved_since(known) or not (is_alone or known.overlaps(later)):
            return None
        return joined

    def _returns(self, before: DocumentSnapshot, after: DocumentSnapshot) -> bool:
        """Whether the text is one that was there before; not for a character rubbed out."""
        text = after.uri, hash(after.text)
        if text not in self._texts:
            self._texts.append((before.uri, hash(before.text)))
            return False
        while self._texts.pop() != text:
            pass
        return len(before.text) - len(after.text) != 1

    def _saved_since(self, known: LineChange) -> bool:
        return any(save.uri == known.uri and save.at >= known.at for save in self._saves)


def _published(change: LineChange) -> RecentEdit:
    return RecentEdit(
        uri=change.uri,
        path=change.path,
        before="\n".join(change.old),
        after="\n".join(change.new),
        line=change.first,
        at=change.at,
    )

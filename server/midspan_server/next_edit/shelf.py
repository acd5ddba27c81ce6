"""`Shelf`: edits that wait, carried along while the person types elsewhere in their documents."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from midspan_server.syntax.tree import common_prefix, common_suffix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midspan_server.next_edit.proposal import Found, Proposal
    from midspan_server.snapshot import DocumentSnapshot


class Shelf:
    """Found edits, best first; each refers to the newest version of its document."""

    def __init__(self) -> None:
        self._waiting: list[Found] = []

    def put(self, found: Iterable[Found]) -> None:
        """Wait with these in place of all others."""
        self._waiting = list(found)

    def waiting(self) -> tuple[Found, ...]:
        """What waits."""
        return tuple(self._waiting)

    def changed(self, before: DocumentSnapshot, after: DocumentSnapshot) -> bool:
        """Carry the edits of a document over a change; what it touches is stale and dropped.

        Returns:
            Whether any edit was moved or dropped.
        """
        if not any(one.proposal.snapshot.uri == after.uri for one in self._waiting):
            return False
        kept = []
        for one in self._waiting:
            proposal = one.proposal
            if proposal.snapshot.uri == after.uri:
                rebased = carried(proposal, before, after)
                if rebased is not None:
                    kept.append(replace(one, proposal=rebased))
            else:
                kept.append(one)
        self._waiting = kept
        return True

    def forget(self, uri: str) -> None:
        """Drop the edits of a document."""
        self._waiting = [one for one in self._waiting if one.proposal.snapshot.uri != uri]


def carried(
    proposal: Proposal, before: DocumentSnapshot, after: DocumentSnapshot
) -> Proposal | None:
    """The proposal for `after`; None where the change touched its lines."""
    if proposal.snapshot.text != before.text:
        return None
    start = common_prefix(before.text, after.text)
    tail = common_suffix(before.text, after.text, min(len(before.text), len(after.text)) - start)
    end, grown = len(before.text) - tail, len(after.text) - len(before.text)
    first, last = before.line_of(start), before.line_of(end)
    if last < proposal.line:
        moved = grown
    elif first > before.line_of(proposal.end):
        moved = 0
    else:
        return None
    return replace(proposal, snapshot=after, start=proposal.start + moved, end=proposal.end + moved)

"""What is never shown: an edit that undoes, or does once more, what the person just did.

A model that has read "a became b" is tempted to write a again, and one that has read "b was added"
to add it a second time beside it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from midspan_server.next_edit.hunks import Hunk
from midspan_server.next_edit.renames import renames

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from midspan_server.next_edit.proposal import Proposal

_MOST_HUNKS = 12
# A line that comes back elsewhere was moved, not put back.
_NEAR_LINES = 3


def is_no_news(proposal: Proposal, recent: Sequence[Hunk]) -> bool:
    """Whether a proposal takes back or repeats one of the newest hunks (newest last)."""
    edit = as_hunk(proposal)
    return any(
        hunk.uri == edit.uri and (_reverts(edit, hunk) or _doubles(edit, hunk))
        for hunk in recent[-_MOST_HUNKS:]
    )


def as_hunk(proposal: Proposal) -> Hunk:
    """The proposal as the hunk that it would be."""
    snapshot = proposal.snapshot
    first, last = proposal.line, snapshot.line_of(proposal.end)
    start, end = snapshot.line_starts[first], snapshot.line_end(last)
    before = snapshot.text[start:end]
    after = before[: proposal.start - start] + proposal.text + before[proposal.end - start :]
    return Hunk(
        uri=snapshot.uri,
        path=snapshot.path,
        line=first,
        before=tuple(before.splitlines()),
        after=tuple(after.splitlines()),
        at=0.0,
        is_formatting=False,
        is_saved=False,
    )


def _reverts(edit: Hunk, hunk: Hunk) -> bool:
    gone, come = _changed(hunk)
    removed, added = _changed(edit)
    if removed & come and added & gone:
        return True
    if _is_near(edit, hunk) and ((removed & come and not added) or (added & gone and not removed)):
        return True
    back = {(one.new, one.old) for one in renames(hunk)}
    return any((one.old, one.new) in back for one in renames(edit))


def _doubles(edit: Hunk, hunk: Hunk) -> bool:
    """Whether all that the edit adds stands right there since the hunk."""
    _, come = _changed(hunk)
    removed, added = _changed(edit)
    return _is_near(edit, hunk) and bool(added) and not removed and not added - come


def _changed(hunk: Hunk) -> tuple[Counter[str], Counter[str]]:
    """Lines that are gone and lines that have come, without their indentation."""
    before, after = _lines(hunk.before), _lines(hunk.after)
    return before - after, after - before


def _lines(lines: Iterable[str]) -> Counter[str]:
    return Counter(text for line in lines if (text := line.strip()))


def _is_near(edit: Hunk, hunk: Hunk) -> bool:
    first, last = hunk.line - _NEAR_LINES, hunk.last_line + _NEAR_LINES
    return edit.line <= last and edit.last_line >= first

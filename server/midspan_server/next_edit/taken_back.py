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
    standing = _standing([one for one in recent[-_MOST_HUNKS:] if one.uri == edit.uri])
    goes_on = any(_does_the_same(edit, hunk) for hunk in standing)
    return any(
        _puts_back_here(edit, hunk)
        or (not goes_on and _puts_back_anywhere(edit, hunk))
        or _doubles(proposal, edit, hunk)
        for hunk in standing
    )


def _standing(hunks: Sequence[Hunk]) -> list[Hunk]:
    """Those that no later one took back, newest first."""
    found: list[Hunk] = []
    for hunk in reversed(hunks):
        if not any(_takes_back(later, hunk) for later in found):
            found.append(hunk)
    return found


def _takes_back(later: Hunk, hunk: Hunk) -> bool:
    gone, come = _changed(hunk)
    removed, added = _changed(later)
    return _is_near(later, hunk) and come <= removed and gone <= added


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


def _puts_back_here(edit: Hunk, hunk: Hunk) -> bool:
    gone, come = _changed(hunk)
    removed, added = _changed(edit)
    if not _is_near(edit, hunk):
        return False
    if removed & come:
        return bool(added & gone) or not added or _renames_back(edit, hunk)
    return bool(added & gone) and not removed


def _puts_back_anywhere(edit: Hunk, hunk: Hunk) -> bool:
    gone, come = _changed(hunk)
    removed, added = _changed(edit)
    return bool(removed & come and added & gone) or _renames_back(edit, hunk)


def _renames_back(edit: Hunk, hunk: Hunk) -> bool:
    back = {(one.new, one.old) for one in renames(hunk)}
    return any((one.old, one.new) in back for one in renames(edit))


def _does_the_same(edit: Hunk, hunk: Hunk) -> bool:
    """Whether the hunk is an example for the edit: the same lines, or the same names."""
    gone, come = _changed(hunk)
    removed, added = _changed(edit)
    if removed & gone and added & come:
        return True
    known = {(one.old, one.new) for one in renames(hunk)}
    return any((one.old, one.new) in known for one in renames(edit))


def _doubles(proposal: Proposal, edit: Hunk, hunk: Hunk) -> bool:
    """Whether all that the edit adds stands right there since the hunk, in the same block."""
    _, come = _changed(hunk)
    removed, added = _changed(edit)
    if not added or removed or added - come or not _is_near(edit, hunk):
        return False
    snapshot = proposal.snapshot
    depth = min(_depth(line) for line in edit.after if line.strip() in added)
    # Nearer to each other they have no line in between.
    between = range(min(hunk.last_line, edit.last_line) + 1, max(hunk.line, edit.line))
    lines = (
        snapshot.text[snapshot.line_starts[at] : snapshot.line_end(at)]
        for at in between
        if at < snapshot.line_count
    )
    return all(_depth(line) >= depth for line in lines if line.strip())


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _changed(hunk: Hunk) -> tuple[Counter[str], Counter[str]]:
    """Lines that are gone and lines that have come, without their indentation."""
    before, after = _lines(hunk.before), _lines(hunk.after)
    return before - after, after - before


def _lines(lines: Iterable[str]) -> Counter[str]:
    return Counter(text for line in lines if (text := line.strip()))


def _is_near(edit: Hunk, hunk: Hunk) -> bool:
    first, last = hunk.line - _NEAR_LINES, hunk.last_line + _NEAR_LINES
    return edit.line <= last and edit.last_line >= first

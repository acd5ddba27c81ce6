"""Whether a rename that was followed was taken back, so that it may be made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.renames import recent_renames, renames
from midspan_server.next_edit.tokens import is_word, tokens
from midspan_server.syntax.tree import common_prefix, common_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_server.next_edit.hunks import Hunk
    from midspan_server.next_edit.memory import Memory
    from midspan_server.snapshot import DocumentSnapshot


def brings_back(cause: str, before: DocumentSnapshot, after: DocumentSnapshot) -> bool:
    """Whether a change wrote the old name of the rename that a cause names; fast."""
    pair = _pair(cause)
    if pair is None or pair[0] not in after.text:
        return False
    start = common_prefix(before.text, after.text)
    tail = common_suffix(before.text, after.text, min(len(before.text), len(after.text)) - start)
    first, last = after.line_of(start), after.line_of(len(after.text) - tail)
    return pair[0] in after.text[after.line_starts[first] : after.line_end(last)]


def is_over(cause: str, recent: Sequence[Hunk], memory: Memory) -> bool:
    """Whether nothing is left of a rename, or its declaration has the old name again.

    Args:
        cause: What the rename's proposals are called.
        recent: Hunks, newest last.
        memory: Knows the offers that were taken: one of them taken back does not end the rename.
    """
    pair = _pair(cause)
    if pair is None:
        return False
    if all((one.old, one.new) != pair for one, _ in recent_renames(recent)):
        return True
    newest = recent[-1]
    if all((one.new, one.old) != pair for one in renames(newest)):
        return False
    lines = zip(newest.after, newest.before, strict=False)
    return not any(memory.has_taken(newest.uri, old, new) for old, new in lines if old != new)


def _pair(cause: str) -> tuple[str, str] | None:
    """The old name and the new one; None for the cause of something else."""
    words = tokens(cause)
    if len(words) != 3 or not (is_word(words[0]) and is_word(words[2])):  # noqa: PLR2004
        return None
    return words[0], words[2]

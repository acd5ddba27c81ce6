"""How one run of tokens became another."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def changed_tokens(original: Sequence[int], updated: Sequence[int]) -> list[bool]:
    """Which of the updated tokens are new, or the first behind something deleted."""
    flags = [False] * len(updated)
    matcher = difflib.SequenceMatcher(None, original, updated, autojunk=False)
    for tag, _, _, begin, end in matcher.get_opcodes():
        if tag == "delete" and begin < len(flags):
            flags[begin] = True
        elif tag != "equal":
            flags[begin:end] = [True] * (end - begin)
    return flags

"""Where an answer that ran on past its hole should have ended.

A small model that fills a hole within a line or a word often writes what stands behind it too, or
goes on until the function is done. What it wrote up to there is right more often than not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LEAST = 3
"""Characters that are not blank, of a line that is looked for within the answer."""
_MOST = 4_000
"""Characters of the suffix that an answer may repeat."""


def cuts(text: str, suffix: str, endings: Sequence[int]) -> Iterator[str]:
    """Beginnings of `text` that may be the answer, the likeliest first.

    Args:
        text: What was written.
        suffix: Text behind the hole.
        endings: Lengths of `text` at which the model might have ended, the likeliest first.
    """
    yield from (text[:at] for at in _repeated_ends(text, suffix))
    line = suffix.split("\n", 1)[0].rstrip("\r")
    if len(line.strip()) >= _LEAST:
        at = text.rfind(line)
        while at >= 0:
            yield text[:at]
            at = text.rfind(line, 0, at)
    yield from (text[:at] for at in endings if at < len(text))


def _repeated_ends(text: str, suffix: str) -> Iterator[int]:
    """Where the rest of `text` is what the suffix begins with, the longest such rest first."""
    whole = text.rstrip("\n")
    for at in range(max(0, len(whole) - min(len(suffix), _MOST)), len(whole)):
        if suffix.startswith(whole[at:]):
            yield at

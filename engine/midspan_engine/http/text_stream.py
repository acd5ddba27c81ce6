"""Pieces of a text that grows, none of which has to be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class TextStream:
    """Cuts a growing text into pieces.

    What may still go is held back: blanks at the end, for a block that ends loses them, and what
    may be the beginning of a stop string.

    Args:
        stop: The request's stop strings.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._sent = ""

    def more(self, text: str) -> str:
        """What can be sent of `text`, all that is known so far, behind what was sent."""
        end = len(text)
        for string in self._stop:
            for length in range(min(len(string), len(text)), 0, -1):
                if text.endswith(string[:length]):
                    end = min(end, len(text) - length)
                    break
        return self._advance(text[:end].rstrip())

    def rest(self, text: str) -> str:
        """What is left of the final `text`."""
        return self._advance(text)

    def _advance(self, text: str) -> str:
        if not text.startswith(self._sent):
            return ""  # less may be known to be safe than was
        piece = text[len(self._sent) :]
        self._sent = text
        return piece

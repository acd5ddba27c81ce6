"""The canvas of the block family: committed tokens, then guesses, then masks.

Committed tokens are causal and their keys and values are exact. Guesses are run as causal rows too,
so that one pass tells which of them the network would have written itself. Masked cells run on the
adapter's weights and see each other in both directions; a cell may hold a tentative token. A block
of cells can stand behind the last committed token and behind each guess, so that whichever of them
turns out to be the last that is right, what follows it has been drafted in the same pass.

A row predicts the token after it (the shift is kept), so the last committed token's row predicts
the first open position without any adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.decoding.guess import NO_GUESS, Guess
from midspan_engine.runtime.rows import RowGroup

if TYPE_CHECKING:
    from midspan_engine.runtime.blocks import CachedSequence

MASK = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What one denoise step decides.

    Attributes:
        tokens: Join the committed ones, in order.
        logprobs: Natural log-probability of each.
        guess: What may stand after them.
        cells: Blocks of the next pass, `MASK` or a tentative token each: behind the last committed
            token, behind the first guess, ….
        beliefs: What the network would fill the first cells with now, for those who watch.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    guess: Guess = NO_GUESS
    cells: tuple[tuple[int, ...], ...] = ()
    beliefs: Guess = NO_GUESS


class Canvas:
    """One span being filled. The only mutable stage on the way of a completion.

    Args:
        sequence: Cache that holds the context up to, and without, `first`.
        first: The token that ends the context; its row predicts the span's first token.
    """

    def __init__(self, sequence: CachedSequence, first: int) -> None:
        self.sequence = sequence
        self.origin = sequence.length
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.guess = NO_GUESS
        self.cells: tuple[tuple[int, ...], ...] = ()
        self.beliefs = NO_GUESS
        self.first = first

    @property
    def _uncached(self) -> list[int]:
        """Committed tokens, or the end of the context, whose keys and values are missing."""
        cached = self.sequence.length - self.origin
        return [self.first, *self.tokens][cached:]

    def rows(self) -> RowGroup:
        """Rows of the next pass; scores are wanted from the last committed token on."""
        lead = self._uncached
        causal = [*lead, *self.guess.tokens]
        cells = np.asarray([cell for block in self.cells for cell in block], np.int32)
        counts = [len(block) for block in self.cells]
        behind = np.repeat(np.arange(len(counts)) + len(lead) - 1, counts)
        return RowGroup(
            sequence=self.sequence,
            start=self.sequence.length,
            ids=np.concatenate([np.asarray(causal, np.int32), cells]),
            masked=np.concatenate([np.zeros(len(causal), np.bool_), cells == MASK]),
            behind=np.concatenate([np.full(len(causal), -1), behind]).astype(np.int32),
            wanted=np.arange(len(lead) - 1, len(causal) + len(cells), dtype=np.int32),
        )

    def cell_rows(self, place: int) -> list[int]:
        """Score rows of the block behind the last committed token (0), the first guess (1), …."""
        if place >= len(self.cells):
            return []
        first = 1 + len(self.guess.tokens) + sum(len(block) for block in self.cells[:place])
        return list(range(first, first + len(self.cells[place])))

    def commit(self, step: Commit) -> None:
        """Apply one step after its pass: everything but the newest token is in the cache now."""
        kept = 0
        for token, guess in zip(step.tokens, self.guess.tokens, strict=False):
            if token != guess:
                break
            kept += 1
        lead = len(self._uncached)
        self.tokens += step.tokens
        self.logprobs += step.logprobs
        self.sequence.length += lead + min(kept, len(step.tokens) - 1)
        self.guess = step.guess
        self.cells = step.cells
        self.beliefs = step.beliefs

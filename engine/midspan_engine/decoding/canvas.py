"""The canvas of the block family: committed tokens, then guesses, then masks.

Committed tokens are causal and their keys and values are exact. Guesses are run as causal rows too,
so that one pass tells which of them the network would have written itself. Masked cells run on the
adapter's weights and see each other in both directions; a cell may hold a tentative token.

A row predicts the token after it (the shift is kept), so the last committed token's row predicts
the first open position without any adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
        guesses: Stand after them in the next step.
        cells: Stand after the guesses: `MASK` or a tentative token each.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    guesses: tuple[int, ...] = ()
    cells: tuple[int, ...] = ()
    from_masks: bool = False
    """Whether the guesses come from masked cells, so from the adapter."""


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
        self.guesses: tuple[int, ...] = ()
        self.cells: tuple[int, ...] = ()
        self.from_masks = False
        self.first = first

    @property
    def _uncached(self) -> list[int]:
        """Committed tokens, or the end of the context, whose keys and values are missing."""
        cached = self.sequence.length - self.origin
        return [self.first, *self.tokens][cached:]

    def rows(self) -> RowGroup:
        """Rows of the next pass; scores are wanted from the last committed token on."""
        lead = self._uncached
        ids = [*lead, *self.guesses, *self.cells]
        masked = np.zeros(len(ids), np.bool_)
        block = np.zeros(len(ids), np.bool_)
        at = len(lead) + len(self.guesses)
        block[at:] = True
        masked[at:] = np.asarray(self.cells, np.int64) == MASK
        return RowGroup(
            sequence=self.sequence,
            start=self.sequence.length,
            ids=np.asarray(ids, np.int32),
            masked=masked,
            block=block,
            wanted=np.arange(len(lead) - 1, len(ids), dtype=np.int32),
        )

    def commit(self, step: Commit) -> None:
        """Apply one step after its pass: everything but the newest token is in the cache now."""
        kept = 0
        for token, guess in zip(step.tokens, self.guesses, strict=False):
            if token != guess:
                break
            kept += 1
        lead = len(self._uncached)
        self.tokens += step.tokens
        self.logprobs += step.logprobs
        self.sequence.length += lead + min(kept, len(step.tokens) - 1)
        self.guesses = step.guesses
        self.cells = step.cells
        self.from_masks = step.from_masks

"""Scores of a pass as the fused head gives them; logits are computed only when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from midspan_engine.runtime.rows import TOP, RowScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor


class Head(Protocol):
    """What computes logits of hidden states that a pass left behind."""

    def logits(
        self, hidden: Tensor, tokens: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Of rows `[rows, hidden]` and some tokens, or all: `[rows, tokens]`."""
        ...

    def pairs(
        self, hidden: Tensor, rows: NDArray[np.int32], tokens: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """One token of each of some rows of `hidden`: `[pairs]`."""
        ...


class KernelScores(RowScores):
    """See `RowScores`. Holds the hidden states of its rows, which no later pass writes over.

    Args:
        top_ids: See `RowScores`.
        top_logits: Likewise.
        log_normaliser: Likewise.
        hidden: After the last norm, `[wanted, hidden]`.
        head: Computes what is asked for.
    """

    __slots__ = ("_head", "_hidden", "_logits")
    _head: Head
    _hidden: Tensor
    _logits: NDArray[np.float32] | None

    def __init__(
        self,
        *,
        top_ids: NDArray[np.int32],
        top_logits: NDArray[np.float32],
        log_normaliser: NDArray[np.float32],
        hidden: Tensor,
        head: Head,
    ) -> None:
        # The base is frozen.
        set_field = object.__setattr__
        set_field(self, "top_ids", top_ids)
        set_field(self, "top_logits", top_logits)
        set_field(self, "log_normaliser", log_normaliser)
        set_field(self, "_hidden", hidden)
        set_field(self, "_head", head)
        set_field(self, "_logits", None)

    @property
    def logits(self) -> NDArray[np.float32]:
        """`[wanted, vocab]`, computed by the first who asks."""
        if self._logits is not None:
            return self._logits
        found = self._head.logits(self._hidden)
        object.__setattr__(self, "_logits", found)
        return found

    def logits_of(self, row: int, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `RowScores`."""
        found: NDArray[np.float32]
        if self._logits is not None:
            found = self._logits[row, tokens]
        else:
            asked = tokens.astype(np.int32)
            found = self._head.logits(self._hidden[row : row + 1], asked)[0]
        return found

    def logprob(self, row: int, token: int) -> float:
        """See `RowScores`; a token that is not among the most likely costs a look at the head."""
        ranked = np.flatnonzero(self.top_ids[row] == token)
        if len(ranked):
            logit = self.top_logits[row, ranked[0]]
        else:
            logit = self.logits_of(row, np.array([token]))[0]
        return float(logit - self.log_normaliser[row])

    def logprobs(self, tokens: Sequence[int]) -> list[float]:
        """See `RowScores`; all tokens that are not among the most likely cost one look."""
        asked = np.asarray(tokens, np.int32)
        ranked = self.top_ids[: len(asked)] == asked[:, None]
        logits = np.where(ranked, self.top_logits[: len(asked)], -np.inf).max(1, initial=-np.inf)
        rows = np.flatnonzero(~ranked.any(1)).astype(np.int32)
        if len(rows) and self._logits is not None:
            logits[rows] = self._logits[rows, asked[rows]]
        elif len(rows):
            logits[rows] = self._head.pairs(self._hidden, rows, asked[rows])
        found: list[float] = (logits - self.log_normaliser[: len(asked)]).tolist()
        return found


def split_scores(
    judged: NDArray[np.int32], hidden: Tensor, counts: Sequence[int], head: Head
) -> list[RowScores]:
    """Scores of each group.

    Args:
        judged: Likeliest tokens, then bits of their logits and of the logarithm of the sum,
            `[wanted, 2 TOP + 1]`: one copy from the device.
        hidden: `[wanted, hidden]`.
        counts: Of wanted rows in each group; they follow each other.
        head: See `KernelScores`.
    """
    numbers = judged.view(np.float32)
    found: list[RowScores] = []
    at = 0
    for count in counts:
        rows = slice(at, at + count)
        at = rows.stop
        found.append(
            KernelScores(
                top_ids=judged[rows, :TOP],
                top_logits=numbers[rows, TOP : 2 * TOP],
                log_normaliser=numbers[rows, 2 * TOP],
                hidden=hidden[rows],
                head=head,
            )
        )
    return found

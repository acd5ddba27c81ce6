"""What is known of a row once the vocabulary has been looked through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from midspan_kernels.checks import INTEGERS, check_dtype, check_shape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How rows are sampled; lives on the device, so that a captured graph can be replayed.

    Attributes:
        seeds: int64 `[rows]`. The same seed gives the same token, wherever it runs.
        temperatures: float32 `[rows]`; 0 means the most likely token.
    """

    seeds: Tensor
    temperatures: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class RowConfidence:
    """Scores of rows; logarithms are natural, floats are float32.

    Attributes:
        tokens: Most likely token, int32 `[rows]`; the lowest id wins a tie, -1 where none may come.
        logprobs: Of `tokens`, `[rows]`.
        margins: By how much the second best is less likely, as a difference of log-probabilities
            `[rows]`; infinite where there is no second.
        entropies: Of the whole distribution, in nats `[rows]`.
        log_normalisers: A logit minus this is a log-probability `[rows]`; minus infinity where no
            token may come.
        given_logprobs: Of the tokens asked for, `[rows, asked]`; minus infinity for a negative id.
        ranked: The most likely tokens, best first, int32 `[rows, ranked]`; the lower id first in a
            tie, -1 where fewer may come.
        ranked_logits: Of them, `[rows, ranked]`; minus infinity for -1.
        sampled: int32 `[rows]`.
        sampled_logprobs: At temperature 1, `[rows]`.
    """

    tokens: Tensor
    logprobs: Tensor
    margins: Tensor
    entropies: Tensor
    log_normalisers: Tensor
    given_logprobs: Tensor | None = None
    ranked: Tensor | None = None
    ranked_logits: Tensor | None = None
    sampled: Tensor | None = None
    sampled_logprobs: Tensor | None = None

    def check(self, rows: int) -> None:
        """Compare what a step reads.

        Raises:
            ValueError: a shape or dtype does not fit `rows`.
        """
        check_shape("scores.tokens", self.tokens, (rows,))
        check_dtype("scores.tokens", self.tokens, INTEGERS)
        for name in ("logprobs", "entropies"):
            check_shape(f"scores.{name}", getattr(self, name), (rows,))
            check_dtype(f"scores.{name}", getattr(self, name), (torch.float32,))

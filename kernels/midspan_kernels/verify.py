"""One verified step on the device: commit what the causal rows confirm, guess from the blocks.

Source: midspan_engine.decoding.unmask, `verify` and `Tolerant`; speculative decoding (Leviathan et
al. 2023, arXiv 2211.17192, temperature 0), typical acceptance (Medusa, Cai et al. 2024, arXiv
2401.10774).

Bytes and why it stays: as `unmask`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from midspan_kernels.capability import backend
from midspan_kernels.checks import INTEGERS, check_device, check_dtype, check_shape

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.confidence import RowConfidence
    from midspan_kernels.spans import Spans


def confirm(spans: Spans, scores: RowConfidence, log_ratios: Tensor, ends: Tensor) -> None:
    """Apply one step to `spans` of `guessed_spans`, in place.

    Guesses are committed as long as each is the token that the causal row before it says, and then
    one token more. What the block behind the last confirmed row says are the next guesses.

    Args:
        spans: To be changed.
        scores: Of every row, request by request; `given_logprobs` `[rows, 1]` of the id in the row
            after it (`next_ids`).
        log_ratios: How much less likely than the best token a guess may be, float32 `[requests]`;
            0 commits what autoregressive decoding would.
        ends: Tokens that end a text, int32 `[ends]`; they are committed too.

    Raises:
        ValueError: a shape, dtype or device does not fit.
    """
    requests, rows = spans.ids.shape
    check_shape("spans.wanted", spans.wanted, (requests, rows))
    scores.check(requests * rows)
    if scores.given_logprobs is None:
        raise ValueError("scores must say how likely the guesses are; pass tokens=next_ids(spans)")
    check_shape("scores.given_logprobs", scores.given_logprobs, (requests * rows, 1))
    check_shape("log_ratios", log_ratios, (requests,))
    check_dtype("log_ratios", log_ratios, (torch.float32,))
    check_shape("ends", ends, (None,))
    check_dtype("ends", ends, INTEGERS)
    check_device(spans=spans.ids, scores=scores.tokens, log_ratios=log_ratios, ends=ends)
    backend("verify", spans.ids).confirm(spans, scores, log_ratios, ends)


def next_ids(spans: Spans) -> Tensor:
    """The id in the row after each row, for `score_rows(tokens=...)`, int32 `[rows, 1]`."""
    return spans.ids.roll(-1, 1).reshape(-1, 1)


def cells_of(spans: Spans) -> int:
    """Masks in a block: there are `(cells + 1) ** 2` rows."""
    return int(spans.ids.shape[1] ** 0.5) - 1

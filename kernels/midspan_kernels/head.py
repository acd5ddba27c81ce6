"""Head and confidence in one: the logits are judged where they arise and never written.

Source: online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867), the fused head of Liger
(Hsu et al. 2024, arXiv 2410.10989, for training), Gumbel-max sampling, Philox (Salmon et al. 2011).

Bytes: `vocab * width` weights and `rows * width` hidden values are read; 20 bytes a row and program
are written and read again, and 64 more where the 8 best are ranked. A plain head also writes `rows
* vocab` float32 and reads it again for softmax, arg-max, entropy and top-2.

Why it stays: torch.compile fuses nothing into a matrix product of this form and Liger's fused head
gives a loss, not an arg-max. With 9 rows it saves 27 MB of 300 (0.5B, bf16, one write and four
reads of the logits), with 32 requests of 9 rows 875 MB, three times the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from midspan_kernels.capability import backend
from midspan_kernels.checks import FLOATS, INTEGERS, check_device, check_dtype, check_shape
from midspan_kernels.weights import GROUP, QuantisedWeight

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.confidence import RowConfidence, Sampling

MOST_TOKENS = 8
"""That can be asked for, and that can be ranked."""
_RANKS = (0, 2, 4, MOST_TOKENS)


def score_rows(
    hidden: Tensor,
    head: Tensor | QuantisedWeight,
    *,
    tokens: Tensor | None = None,
    allowed: Tensor | None = None,
    sampling: Sampling | None = None,
    ranked: int = 0,
) -> RowConfidence:
    """Judge rows of hidden states; NaN logits count as tokens that may not come.

    Args:
        hidden: After the last norm, `[rows, width]`, float32, bfloat16 or float16.
        head: `[vocab, width]` of the same dtype, or 8-bit.
        tokens: int32 `[rows, asked]`, at most 8: whose log-probabilities are wanted as well.
        allowed: bool `[vocab]`, what may come at all (a vocabulary is often padded).
        sampling: Also draw a token for each row.
        ranked: How many of the most likely tokens to name; 0, 2, 4 or 8.

    Returns:
        Scores of each row.

    Raises:
        ValueError: a shape, dtype or device does not fit.
    """
    _check_head(hidden, head)
    _check_wishes(hidden, head.shape[0], tokens, allowed, sampling)
    if ranked not in _RANKS:
        raise ValueError(f"ranked must be one of {_RANKS}; got {ranked}")
    scored: RowConfidence = backend("head", hidden).score_rows(
        hidden, head, tokens=tokens, allowed=allowed, sampling=sampling, ranked=ranked
    )
    return scored


def _check_head(hidden: Tensor, head: Tensor | QuantisedWeight) -> None:
    check_shape("hidden", hidden, (None, None))
    check_dtype("hidden", hidden, FLOATS)
    if hidden.shape[0] < 1:
        raise ValueError("hidden has no rows; leave the call out")
    if isinstance(head, QuantisedWeight):
        if head.packed:
            raise ValueError("a quantised head must have 8 bits; pass quantise(weight, 8)")
        if head.shape[1] != hidden.shape[1]:
            raise ValueError(
                f"head takes {head.shape[1]} inputs and hidden has {hidden.shape[1]} columns; "
                f"pad both to the same multiple of {GROUP}"
            )
        check_device(hidden=hidden, values=head.values, scales=head.scales)
        return
    check_shape("head", head, (None, hidden.shape[1]))
    check_dtype("head", head, (hidden.dtype,))
    check_device(hidden=hidden, head=head)


def _check_wishes(
    hidden: Tensor,
    vocab: int,
    tokens: Tensor | None,
    allowed: Tensor | None,
    sampling: Sampling | None,
) -> None:
    rows = hidden.shape[0]
    if tokens is not None:
        check_shape("tokens", tokens, (rows, None))
        check_dtype("tokens", tokens, INTEGERS)
        if not 1 <= tokens.shape[1] <= MOST_TOKENS:
            raise ValueError(f"tokens must ask for 1 to {MOST_TOKENS} of each row; split the call")
    if allowed is not None:
        check_shape("allowed", allowed, (vocab,))
        check_dtype("allowed", allowed, (torch.bool,))
    if sampling is not None:
        check_shape("seeds", sampling.seeds, (rows,))
        check_dtype("seeds", sampling.seeds, (torch.int64,))
        check_shape("temperatures", sampling.temperatures, (rows,))
        check_dtype("temperatures", sampling.temperatures, (torch.float32,))
    check_device(hidden=hidden, tokens=tokens, allowed=allowed)

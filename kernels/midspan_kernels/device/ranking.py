"""The most likely tokens of each row: the best is taken out so many times.

Triton's `topk` (bitonic, Shanbhag et al. 2018) computes about as much for 8 of 128, on keys of 64
bits that spill, and the interpreter would take minutes for it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from midspan_kernels.device.arithmetic import LOWEST, NOBODY

_TAKEN = tl.constexpr(-4e30)
"""Below what may not come."""


@triton.jit
def no_ranks(BLOCK_R: tl.constexpr, RANKED: tl.constexpr) -> tuple[tl.tensor, tl.tensor]:
    """Nothing found yet."""
    logits = tl.full([BLOCK_R, RANKED], _TAKEN, tl.float32)
    return logits, tl.full([BLOCK_R, RANKED], NOBODY, tl.int32)


@triton.jit
def add_ranks(
    logits: tl.tensor,
    tokens: tl.tensor,
    values: tl.tensor,
    columns: tl.tensor,
    RANKED: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """The best of what was found and of `values`, best first; the lowest token first in a tie.

    `columns` are the tokens of `values`, `[1, …]` or for each row.
    """
    new_logits, new_tokens = logits, tokens
    place = tl.arange(0, RANKED)[None, :]
    for rank in tl.static_range(RANKED):
        best = tl.maximum(tl.max(logits, 1), tl.max(values, 1))[:, None]
        token = tl.minimum(
            tl.min(tl.where(logits == best, tokens, NOBODY), 1),
            tl.min(tl.where(values == best, columns, NOBODY), 1),
        )[:, None]
        new_logits = tl.where(place == rank, best, new_logits)
        new_tokens = tl.where(place == rank, token, new_tokens)
        logits = tl.where(tokens == token, _TAKEN, logits)
        values = tl.where(columns == token, _TAKEN, values)
    return new_logits, new_tokens


@triton.jit
def runner_up(
    logits: tl.tensor, tokens: tl.tensor, RANKED: tl.constexpr
) -> tuple[tl.tensor, tl.tensor]:
    """The second best logit, and the best token."""
    place = tl.arange(0, RANKED)[None, :]
    second = tl.max(tl.where(place == 1, logits, _TAKEN), 1)
    return second, tl.max(tl.where(place == 0, tokens, 0), 1)


@triton.jit
def store_ranks(
    rank_logits: tl.tensor,
    rank_tokens: tl.tensor,
    here: tl.tensor,
    out: tl.tensor,
    out_logits: tl.tensor,
    n_found: tl.int32,
    BLOCK: tl.constexpr,
    RANKED: tl.constexpr,
) -> None:
    """Merge what the stretches of one row found, from `here` on, and write it."""
    k = tl.arange(0, BLOCK)[None, :]
    values = tl.load(rank_logits + here + k, mask=k < n_found, other=_TAKEN)
    columns = tl.load(rank_tokens + here + k, mask=k < n_found, other=NOBODY)
    logits, tokens = no_ranks(1, RANKED)
    logits, tokens = add_ranks(logits, tokens, values, columns, RANKED)
    none = logits <= LOWEST
    place = tl.program_id(0) * RANKED + tl.arange(0, RANKED)[None, :]
    tl.store(out + place, tl.where(none, -1, tokens))
    tl.store(out_logits + place, tl.where(none, float("-inf"), logits))

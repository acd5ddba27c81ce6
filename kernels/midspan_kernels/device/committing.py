"""What both kinds of step do with tokens that are settled."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def commit(
    token: tl.tensor,
    logprob: tl.tensor,
    run: tl.int32,
    spans: tl.tensor,
    logprobs: tl.tensor,
    lengths: tl.tensor,
    done: tl.tensor,
    ends: tl.tensor,
    n_ends: tl.int32,
    room: tl.int32,
    BLOCK: tl.constexpr,
) -> tl.int32:
    """Append the first `run` tokens, up to one that ends the text; returns how many there were."""
    request = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    length = tl.load(lengths + request)
    run = tl.minimum(run, room - length)
    is_end = tl.zeros([BLOCK], tl.int32)
    for end in range(n_ends):
        is_end |= (token == tl.load(ends + end)).to(tl.int32)
    first_end = tl.min(tl.where((is_end > 0) & (i < run), i, BLOCK), 0)
    ended = first_end < BLOCK
    run = tl.minimum(run, first_end + 1)
    here = request * room + length + i
    tl.store(spans + here, token, mask=i < run)
    tl.store(logprobs + here, logprob, mask=i < run)
    tl.store(lengths + request, length + run)
    full = (run == 0) | (length + run == room)
    tl.store(done + request, tl.where(ended | full, 1, 0))
    return run

"""One program a request: everything of a step fits into registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from midspan_kernels.device.committing import commit
from midspan_kernels.spans import MOST_CELLS
from midspan_kernels.variants import OPTIONS, Variant

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.confidence import RowConfidence
    from midspan_kernels.spans import Spans
    from midspan_kernels.unmask import Policies

_MASK = tl.constexpr(-1)


@triton.jit
def _select(
    logprobs: tl.tensor,
    entropies: tl.tensor,
    kind: tl.int32,
    limit: tl.float32,
    n_scores: tl.int32,
    BLOCK: tl.constexpr,
) -> tl.tensor:
    """Which cells are filled; entry 0 is no cell. Ranks come from comparing all pairs."""
    i = tl.arange(0, BLOCK)[:, None]
    j = tl.arange(0, BLOCK)[None, :]
    is_cell = (j > 0) & (j < n_scores)
    by_entropy = kind == 1
    sign = tl.where(by_entropy, 1.0, -1.0)
    source = tl.where(by_entropy, 1, 0)
    mine = tl.load(logprobs + i, mask=i < n_scores, other=0.0) * (1 - source)
    mine += tl.load(entropies + i, mask=i < n_scores, other=0.0) * source
    other_entropies = tl.load(entropies + j, mask=j < n_scores, other=0.0)
    theirs = tl.load(logprobs + j, mask=j < n_scores, other=0.0) * (1 - source)
    theirs += other_entropies * source
    before = (sign * theirs < sign * mine) | ((theirs == mine) & (j < i))
    before &= is_cell
    rank = tl.sum(before.to(tl.float32), 1)
    spent = tl.sum(tl.where(before, other_entropies, 0.0), 1)
    index = tl.arange(0, BLOCK)
    logprob = tl.load(logprobs + index, mask=index < n_scores, other=float("-inf"))
    ranked = tl.where(by_entropy, spent <= limit, rank < limit)
    chosen = tl.where(kind == 0, logprob >= limit, ranked)
    return chosen & (index > 0) & (index < n_scores)


@triton.jit
def unmask_request(
    ids: tl.tensor,
    positions: tl.tensor,
    behind: tl.tensor,
    wanted: tl.tensor,
    starts: tl.tensor,
    leads: tl.tensor,
    spans: tl.tensor,
    span_logprobs: tl.tensor,
    lengths: tl.tensor,
    done: tl.tensor,
    tokens: tl.tensor,
    logprobs: tl.tensor,
    entropies: tl.tensor,
    kinds: tl.tensor,
    limits: tl.tensor,
    ends: tl.tensor,
    n_scores: tl.int32,
    n_ends: tl.int32,
    room: tl.int32,
    BLOCK: tl.constexpr,
) -> None:
    """One step of one request."""
    request = tl.program_id(0)
    if tl.load(done + request) == 0:
        i = tl.arange(0, BLOCK)
        here = request * n_scores
        token = tl.load(tokens + here + i, mask=i < n_scores, other=-1)
        logprob = tl.load(logprobs + here + i, mask=i < n_scores, other=0.0)
        kind, limit = tl.load(kinds + request), tl.load(limits + request)
        chosen = _select(logprobs + here, entropies + here, kind, limit, n_scores, BLOCK)
        chosen = (chosen | (i == 0)) & (token >= 0)
        run = tl.min(tl.where(chosen, BLOCK, i), 0)
        run = commit(
            token, logprob, run, spans, span_logprobs, lengths, done, ends, n_ends, room, BLOCK
        )
        if run > 0:
            start = tl.load(starts + request) + tl.load(leads + request)
            row = request * (2 * n_scores - 1)
            cell = row + n_scores
            tl.store(ids + row + i, tl.where(i < run, token, 0), mask=i < n_scores)
            # The cells' tokens move up by as many as were committed, and masks follow.
            moved = (i >= run) & (i < n_scores)
            tl.store(ids + cell + i - run, tl.where(chosen, token, _MASK), mask=moved)
            opened = (i >= n_scores - run) & (i < n_scores - 1)
            tl.store(ids + cell + i, tl.full([BLOCK], _MASK, tl.int32), mask=opened)
            tl.store(positions + row + i, start + i, mask=i < n_scores)
            tl.store(positions + cell + i, start + run + i, mask=i < n_scores - 1)
            last = tl.zeros([BLOCK], tl.int32) + run - 1
            tl.store(behind + cell + i, last, mask=i < n_scores - 1)
            tl.store(wanted + here, run - 1)
            tl.store(starts + request, start)
            tl.store(leads + request, run)


def unmask(spans: Spans, scores: RowConfidence, policies: Policies, ends: Tensor) -> None:
    """See `midspan_kernels.unmask.unmask`."""
    requests, wanted = spans.wanted.shape
    unmask_request[requests,](
        *spans.tensors, scores.tokens, scores.logprobs, scores.entropies,
        policies.kinds, policies.limits, ends, wanted, ends.shape[0], spans.tokens.shape[1],
        triton.next_power_of_2(wanted), num_warps=1, **OPTIONS,
    )  # fmt: skip


def variants() -> list[Variant]:
    """Blocks of 8 cells and the largest."""
    signature = dict.fromkeys(
        ("ids", "positions", "behind", "wanted", "starts", "leads", "spans", "lengths", "done",
         "tokens", "kinds", "ends"), "*i32",
    )  # fmt: skip
    signature |= dict.fromkeys(("span_logprobs", "logprobs", "entropies", "limits"), "*fp32")
    signature |= dict.fromkeys(("n_scores", "n_ends", "room"), "i32")
    return [
        Variant(f"unmask_{block}", unmask_request, signature, {"BLOCK": block}, 1)
        for block in (16, MOST_CELLS + 1)
    ]

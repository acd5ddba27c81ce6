"""One program a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from midspan_kernels.device.committing import commit
from midspan_kernels.spans import MOST_CELLS
from midspan_kernels.variants import OPTIONS, Variant
from midspan_kernels.verify import cells_of

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.confidence import RowConfidence
    from midspan_kernels.spans import Spans


@triton.jit
def confirm_request(
    ids: tl.tensor,
    positions: tl.tensor,
    starts: tl.tensor,
    spans: tl.tensor,
    span_logprobs: tl.tensor,
    lengths: tl.tensor,
    done: tl.tensor,
    tokens: tl.tensor,
    logprobs: tl.tensor,
    given: tl.tensor,
    log_ratios: tl.tensor,
    ends: tl.tensor,
    n_rows: tl.int32,
    cells: tl.int32,
    n_ends: tl.int32,
    room: tl.int32,
    BLOCK: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
) -> None:
    """One step of one request."""
    request = tl.program_id(0)
    if tl.load(done + request) == 0:
        i = tl.arange(0, BLOCK)
        here = request * n_rows
        token = tl.load(tokens + here + i, mask=i <= cells, other=-1)
        logprob = tl.load(logprobs + here + i, mask=i <= cells, other=0.0)
        guess = tl.load(ids + here + 1 + i, mask=i < cells, other=-1)
        guess_logprob = tl.load(given + here + i, mask=i < cells, other=float("-inf"))
        ratio = tl.load(log_ratios + request)
        near = guess_logprob - logprob >= tl.where(ratio < 0, ratio, float("inf"))
        right = ((guess == token) | near) & (i < cells)
        token = tl.where(right, guess, token)
        logprob = tl.where(right, guess_logprob, logprob)
        run = tl.min(tl.where(right, BLOCK, i), 0) + 1
        run = tl.minimum(run, tl.min(tl.where(token >= 0, BLOCK, i), 0))
        run = commit(
            token, logprob, run, spans, span_logprobs, lengths, done, ends, n_ends, room, BLOCK
        )
        if run > 0:
            newest = tl.sum(tl.where(i == run - 1, token, 0), 0)
            block = here + cells + 1 + (run - 1) * cells
            following = tl.load(tokens + block + i, mask=i < cells, other=0)
            tl.store(ids + here, newest)
            tl.store(ids + here + 1 + i, tl.maximum(following, 0), mask=i < cells)
            row = tl.arange(0, BLOCK_ROWS)
            position = tl.load(positions + here + row, mask=row < n_rows, other=0)
            tl.store(positions + here + row, position + run, mask=row < n_rows)
            tl.store(starts + request, tl.load(starts + request) + run)


def confirm(spans: Spans, scores: RowConfidence, log_ratios: Tensor, ends: Tensor) -> None:
    """See `midspan_kernels.verify.confirm`."""
    requests, rows = spans.ids.shape
    cells = cells_of(spans)
    confirm_request[requests,](
        spans.ids, spans.positions, spans.starts, spans.tokens, spans.logprobs, spans.lengths,
        spans.done, scores.tokens, scores.logprobs, scores.given_logprobs, log_ratios, ends,
        rows, cells, ends.shape[0], spans.tokens.shape[1],
        triton.next_power_of_2(cells + 1), triton.next_power_of_2(rows), num_warps=1, **OPTIONS,
    )  # fmt: skip


def variants() -> list[Variant]:
    """Blocks of 7 cells (64 rows) and the largest."""
    signature = dict.fromkeys(
        ("ids", "positions", "starts", "spans", "lengths", "done", "tokens", "ends"), "*i32"
    )
    signature |= dict.fromkeys(("span_logprobs", "logprobs", "given", "log_ratios"), "*fp32")
    signature |= dict.fromkeys(("n_rows", "cells", "n_ends", "room"), "i32")
    return [
        Variant(
            f"verify_{cells}",
            confirm_request,
            signature,
            {"BLOCK": cells + 1, "BLOCK_ROWS": (cells + 1) ** 2},
            1,
        )
        for cells in (7, MOST_CELLS)
    ]

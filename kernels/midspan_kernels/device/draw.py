"""Gumbel-max sampling: the largest of logit over temperature plus noise."""

from __future__ import annotations

import triton
import triton.language as tl

from midspan_kernels.device.arithmetic import LIMIT, LOWEST, NOBODY


@triton.jit
def _perturbed(
    values: tl.tensor,
    seeds: tl.tensor,
    temperatures: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    n_rows: tl.int32,
) -> tl.tensor:
    """Logits over temperature plus Gumbel noise; the same bits as `reference.head.gumbel`."""
    seed = tl.load(seeds + rows, mask=rows < n_rows, other=0)
    warm = tl.load(temperatures + rows, mask=rows < n_rows, other=0.0)[:, None]
    counter = columns[None, :] + tl.zeros([rows.shape[0], 1], tl.int32)
    bits = tl.randint(seed[:, None], counter).to(tl.uint32, bitcast=True) >> 9
    noise = -tl.log(-tl.log((bits.to(tl.float32) + 0.5) * 1.1920928955078125e-07))
    mixed = tl.where(warm > 0, values / tl.where(warm > 0, warm, 1.0) + noise, values)
    mixed = tl.minimum(tl.maximum(mixed, -LIMIT), LIMIT)
    return tl.where(values <= LOWEST, LOWEST, mixed)


@triton.jit
def add_draw(
    drawn: tl.tensor,
    logit: tl.tensor,
    token: tl.tensor,
    values: tl.tensor,
    seeds: tl.tensor,
    temperatures: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    n_rows: tl.int32,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Merge a tile into the best draw so far: its value, its plain logit, its token."""
    mixed = _perturbed(values, seeds, temperatures, rows, columns, n_rows)
    top = tl.max(mixed, 1)
    found = tl.min(tl.where(mixed == top[:, None], columns[None, :], NOBODY), 1)
    found_logit = tl.max(tl.where(columns[None, :] == found[:, None], values, LOWEST), 1)
    token = tl.where(top > drawn, found, token)
    logit = tl.where(top > drawn, found_logit, logit)
    return tl.maximum(drawn, top), logit, token


@triton.jit
def merge_draws(
    drawn: tl.tensor, logits: tl.tensor, tokens: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """Token and logit of the best of all stretches."""
    token = tl.min(tl.where(drawn == tl.max(drawn, 0), tokens, NOBODY), 0)
    return token, tl.max(tl.where(tokens == token, logits, LOWEST), 0)

"""A tile of logits: made, and added to what is known of its rows."""

from __future__ import annotations

import triton
import triton.language as tl

from midspan_kernels.device.arithmetic import LIMIT, LOWEST, NOBODY, product


@triton.jit
def tile_logits(
    hidden: tl.tensor,
    weight: tl.tensor,
    scales: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    n_rows: tl.int32,
    n_columns: tl.int32,
    width: tl.int32,
    BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr,
    QUANTISED: tl.constexpr,
    UPCAST: tl.constexpr,
) -> tl.tensor:
    total = tl.zeros([rows.shape[0], columns.shape[0]], tl.float32)
    for start in range(0, width, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        here = (rows < n_rows)[:, None] & (k < width)[None, :]
        x = tl.load(hidden + rows[:, None] * width + k[None, :], mask=here, other=0.0)
        here = (columns < n_columns)[:, None] & (k < width)[None, :]
        w = tl.load(weight + columns[:, None] * width + k[None, :], mask=here, other=0.0)
        if QUANTISED:
            w = w.to(tl.float32).to(x.dtype)  # every 8-bit value is exact in bf16
        part = product(x, tl.trans(w), UPCAST)
        if QUANTISED:
            group = (start // GROUP) * n_columns + columns
            part *= tl.load(scales + group, mask=columns < n_columns, other=0.0)[None, :]
        total += part
    return total


@triton.jit
def add_best(
    best: tl.tensor, second: tl.tensor, token: tl.tensor, values: tl.tensor, columns: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Merge a tile into the two best so far; tiles come in order, so a tie keeps the old token."""
    top = tl.max(values, 1)
    found = tl.min(tl.where(values == top[:, None], columns[None, :], NOBODY), 1)
    rest = tl.max(tl.where(columns[None, :] == found[:, None], LOWEST, values), 1)
    second = tl.maximum(tl.minimum(best, top), tl.maximum(second, rest))
    token = tl.where(top > best, found, token)
    return tl.maximum(best, top), second, token


@triton.jit
def add_mass(
    best: tl.tensor, total: tl.tensor, slope: tl.tensor, values: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """Online softmax: `total` = sum of exp(x - best), `slope` = sum of exp(x - best) (x - best)."""
    new = tl.maximum(best, tl.max(values, 1))
    keep = tl.exp(best - new)
    slope = keep * (slope + (best - new) * total)
    total = keep * total
    shifted = values - new[:, None]
    mass = tl.exp(shifted)
    return total + tl.sum(mass, 1), slope + tl.sum(mass * shifted, 1)


@triton.jit
def store_given(
    given: tl.tensor,
    tokens: tl.tensor,
    values: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    n_rows: tl.int32,
    n_columns: tl.int32,
    ASKED: tl.constexpr,
) -> None:
    """Write the logit of each token asked for; just one program meets it."""
    for asked in tl.static_range(ASKED):
        token = tl.load(tokens + rows * ASKED + asked, mask=rows < n_rows, other=-1)
        hit = (columns[None, :] == token[:, None]) & (columns < n_columns)[None, :]
        logit = tl.max(tl.where(hit, values, LOWEST), 1)
        tl.store(given + rows * ASKED + asked, logit, mask=tl.max(hit.to(tl.int32), 1) > 0)


@triton.jit
def usable(
    x: tl.tensor, allowed: tl.tensor, columns: tl.tensor, n_columns: tl.int32, LIMITED: tl.constexpr
) -> tl.tensor:
    """Finite logits; LOWEST for what may not come and for NaN."""
    may = (columns < n_columns)[None, :] & (x == x)  # noqa: PLR0124  false for NaN
    if LIMITED:
        may &= (tl.load(allowed + columns, mask=columns < n_columns, other=0) != 0)[None, :]
    return tl.where(may, tl.minimum(tl.maximum(x, -LIMIT), LIMIT), LOWEST)

"""Two kernels: programs judge a stretch of the vocabulary each, then one program a row merges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from midspan_kernels.capability import interpreting, processors
from midspan_kernels.confidence import RowConfidence, Sampling
from midspan_kernels.device.arithmetic import LOWEST, NOBODY
from midspan_kernels.device.draw import add_draw, merge_draws
from midspan_kernels.device.logits import add_best, add_mass, store_given, tile_logits, usable
from midspan_kernels.variants import OPTIONS, Variant
from midspan_kernels.weights import GROUP, QuantisedWeight

if TYPE_CHECKING:
    from torch import Tensor

_FIELDS = 6
_WAVES = 4
"""Programs for each multiprocessor: enough that the last wave costs little."""


@dataclass(frozen=True, slots=True)
class _Tile:
    rows: int
    tokens: int
    inputs: int
    warps: int
    stages: int


_FEW = _Tile(16, 128, 64, 4, 4)
_MANY = _Tile(64, 128, 64, 8, 4)
_MANY_SAMPLED = _Tile(32, 128, 64, 8, 4)
"""With 64 rows the noise would spill on sm_80."""


@triton.jit
def head_stretch(
    hidden: tl.tensor,
    weight: tl.tensor,
    scales: tl.tensor,
    allowed: tl.tensor,
    tokens: tl.tensor,
    seeds: tl.tensor,
    temperatures: tl.tensor,
    fields: tl.tensor,
    best_tokens: tl.tensor,
    given: tl.tensor,
    n_rows: tl.int32,
    n_columns: tl.int32,
    width: tl.int32,
    tiles: tl.int32,
    BLOCK_R: tl.constexpr,
    BLOCK_V: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr,
    QUANTISED: tl.constexpr,
    LIMITED: tl.constexpr,
    ASKED: tl.constexpr,
    SAMPLED: tl.constexpr,
    UPCAST: tl.constexpr,
) -> None:
    """Judge `tiles` tiles of the vocabulary for a block of rows.

    Writes `fields` `[6, rows, stretches]` (best, second, total, slope, drawn value, its logit) and
    `best_tokens` `[2, rows, stretches]` (most likely, drawn).
    """
    rows = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    best = tl.full([BLOCK_R], LOWEST, tl.float32)
    second, drawn, drawn_logit = best, best, best
    total = tl.zeros([BLOCK_R], tl.float32)
    slope = total
    token = tl.full([BLOCK_R], NOBODY, tl.int32)
    drawn_token = token
    first = tl.program_id(1) * tiles
    for tile in range(first, tl.minimum(first + tiles, tl.cdiv(n_columns, BLOCK_V))):
        columns = tile * BLOCK_V + tl.arange(0, BLOCK_V)
        x = tile_logits(
            hidden, weight, scales, rows, columns, n_rows, n_columns, width,
            BLOCK_K, GROUP, QUANTISED, UPCAST,
        )  # fmt: skip
        x = usable(x, allowed, columns, n_columns, LIMITED)
        store_given(given, tokens, x, rows, columns, n_rows, n_columns, ASKED)
        total, slope = add_mass(best, total, slope, x)
        best, second, token = add_best(best, second, token, x, columns)
        if SAMPLED:
            drawn, drawn_logit, drawn_token = add_draw(
                drawn, drawn_logit, drawn_token, x, seeds, temperatures, rows, columns, n_rows
            )
    stretches = tl.num_programs(1)
    here = rows * stretches + tl.program_id(1)
    every = n_rows * stretches
    tl.store(fields + here, best, mask=rows < n_rows)
    tl.store(fields + every + here, second, mask=rows < n_rows)
    tl.store(fields + 2 * every + here, total, mask=rows < n_rows)
    tl.store(fields + 3 * every + here, slope, mask=rows < n_rows)
    tl.store(best_tokens + here, token, mask=rows < n_rows)
    if SAMPLED:
        tl.store(fields + 4 * every + here, drawn, mask=rows < n_rows)
        tl.store(fields + 5 * every + here, drawn_logit, mask=rows < n_rows)
        tl.store(best_tokens + every + here, drawn_token, mask=rows < n_rows)


@triton.jit
def head_merge(
    fields: tl.tensor,
    best_tokens: tl.tensor,
    given: tl.tensor,
    tokens: tl.tensor,
    out: tl.tensor,
    out_tokens: tl.tensor,
    n_rows: tl.int32,
    stretches: tl.int32,
    BLOCK_S: tl.constexpr,
    ASKED: tl.constexpr,
    SAMPLED: tl.constexpr,
) -> None:
    """Merge the stretches of one row.

    Writes `out` `[4, rows]` (log-probability, margin, entropy, that of the drawn token),
    `out_tokens` `[2, rows]`, and turns `given` from logits into log-probabilities.
    """
    row = tl.program_id(0)
    s = tl.arange(0, BLOCK_S)
    here = row * stretches + s
    every = n_rows * stretches
    valid = s < stretches
    tops = tl.load(fields + here, mask=valid, other=LOWEST)
    seconds = tl.load(fields + every + here, mask=valid, other=LOWEST)
    totals = tl.load(fields + 2 * every + here, mask=valid, other=0.0)
    slopes = tl.load(fields + 3 * every + here, mask=valid, other=0.0)
    ids = tl.load(best_tokens + here, mask=valid, other=NOBODY)
    best = tl.max(tops, 0)
    token = tl.min(tl.where(tops == best, ids, NOBODY), 0)
    losers = tl.where((tops == best) & (ids == token), LOWEST, tops)
    second = tl.maximum(tl.max(seconds, 0), tl.max(losers, 0))
    weights = tl.exp(tops - best)
    total = tl.sum(weights * totals, 0)
    slope = tl.sum(weights * (slopes + (tops - best) * totals), 0)
    log_total = tl.log(total)
    none = best <= LOWEST
    tl.store(out + row, tl.where(none, float("-inf"), -log_total))
    tl.store(out + n_rows + row, tl.where(second <= LOWEST, float("inf"), best - second))
    tl.store(out + 2 * n_rows + row, tl.where(none, 0.0, log_total - slope / total))
    tl.store(out_tokens + row, tl.where(none, -1, token))
    for asked in tl.static_range(ASKED):
        logit = tl.load(given + row * ASKED + asked)
        absent = (tl.load(tokens + row * ASKED + asked) < 0) | (logit <= LOWEST)
        logprob = tl.where(absent, float("-inf"), logit - best - log_total)
        tl.store(given + row * ASKED + asked, logprob)
    if SAMPLED:
        drawn = tl.load(fields + 4 * every + here, mask=valid, other=LOWEST)
        logits = tl.load(fields + 5 * every + here, mask=valid, other=LOWEST)
        ids = tl.load(best_tokens + every + here, mask=valid, other=NOBODY)
        token, logit = merge_draws(drawn, logits, ids)
        logprob = tl.where(none, float("-inf"), logit - best - log_total)
        tl.store(out + 3 * n_rows + row, logprob)
        tl.store(out_tokens + n_rows + row, tl.where(none, -1, token))


def _tile(n_rows: int, *, sampled: bool) -> _Tile:
    if n_rows <= _FEW.rows:
        return _FEW
    return _MANY_SAMPLED if sampled else _MANY


def score_rows(
    hidden: Tensor,
    head: Tensor | QuantisedWeight,
    *,
    tokens: Tensor | None = None,
    allowed: Tensor | None = None,
    sampling: Sampling | None = None,
) -> RowConfidence:
    """See `midspan_kernels.head.score_rows`."""
    n_rows, width = hidden.shape
    vocab = head.shape[0]
    quantised = isinstance(head, QuantisedWeight)
    tile = _tile(n_rows, sampled=sampling is not None)
    asked = 0 if tokens is None else tokens.shape[1]
    row_blocks = triton.cdiv(n_rows, tile.rows)
    every = triton.cdiv(vocab, tile.tokens)
    each = max(1, every * row_blocks // (_WAVES * processors(hidden)))
    stretches = triton.cdiv(every, each)
    fields = hidden.new_empty((_FIELDS, n_rows, stretches), dtype=torch.float32)
    ids = hidden.new_empty((2, n_rows, stretches), dtype=torch.int32)
    given = hidden.new_full((n_rows, asked), LOWEST.value, dtype=torch.float32)
    unused = fields
    sampled = sampling is not None
    head_stretch[row_blocks, stretches](
        hidden,
        head.values if isinstance(head, QuantisedWeight) else head,
        head.scales if isinstance(head, QuantisedWeight) else unused,
        unused if allowed is None else allowed.view(torch.int8),
        unused if tokens is None else tokens,
        sampling.seeds if sampling is not None else unused,
        sampling.temperatures if sampling is not None else unused,
        fields, ids, given, n_rows, vocab, width, each,
        tile.rows, tile.tokens, tile.inputs, GROUP, quantised, allowed is not None,
        asked, sampled, interpreting(), num_warps=tile.warps, num_stages=tile.stages, **OPTIONS,
    )  # fmt: skip
    out = fields.new_empty((4, n_rows))
    out_ids = ids.new_empty((2, n_rows))
    head_merge[n_rows,](
        fields, ids, given, unused if tokens is None else tokens, out, out_ids, n_rows, stretches,
        triton.next_power_of_2(stretches), asked, sampled, **OPTIONS,
    )  # fmt: skip
    return RowConfidence(
        tokens=out_ids[0],
        logprobs=out[0],
        margins=out[1],
        entropies=out[2],
        given_logprobs=given if asked else None,
        sampled=out_ids[1] if sampled else None,
        sampled_logprobs=out[3] if sampled else None,
    )


def variants() -> list[Variant]:
    """What the engine launches: bf16 or 8-bit weights, verifying or sampling, few or many rows."""
    found = [
        _stretch(_tile(rows, sampled=sampled), quantised=quantised, sampled=sampled)
        for rows in (_FEW.rows, _MANY.rows)
        for quantised in (False, True)
        for sampled in (False, True)
    ]
    signature = {
        "fields": "*fp32", "best_tokens": "*i32", "given": "*fp32", "tokens": "*i32",
        "out": "*fp32", "out_tokens": "*i32", "n_rows": "i32", "stretches": "i32",
    }  # fmt: skip
    constants = {"BLOCK_S": 1024, "ASKED": 1, "SAMPLED": True}
    return [*found, Variant("head_merge", head_merge, signature, constants)]


def _stretch(tile: _Tile, *, quantised: bool, sampled: bool) -> Variant:
    signature = {
        "hidden": "*bf16", "weight": "*i8" if quantised else "*bf16", "scales": "*fp32",
        "allowed": "*i8", "tokens": "*i32", "seeds": "*i64", "temperatures": "*fp32",
        "fields": "*fp32", "best_tokens": "*i32", "given": "*fp32",
        "n_rows": "i32", "n_columns": "i32", "width": "i32", "tiles": "i32",
    }  # fmt: skip
    constants = {
        "BLOCK_R": tile.rows, "BLOCK_V": tile.tokens, "BLOCK_K": tile.inputs, "GROUP": GROUP,
        "QUANTISED": quantised, "LIMITED": True, "ASKED": 1, "SAMPLED": sampled, "UPCAST": False,
    }  # fmt: skip
    name = f"head_{tile.rows}rows_{'int8' if quantised else 'bf16'}{'_sampled' if sampled else ''}"
    return Variant(
        name, head_stretch, signature, constants, tile.warps, tile.stages, ("width", "n_columns")
    )

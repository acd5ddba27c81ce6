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
from midspan_kernels.device.ranking import add_ranks, no_ranks, runner_up, store_ranks
from midspan_kernels.head import MOST_TOKENS
from midspan_kernels.variants import OLDEST, OLDEST_FP8, OPTIONS, Variant
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
_FEW_RANKED = _Tile(16, 128, 64, 8, 4)
"""With 4 warps it would spill on sm_80 and sm_89."""
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
    rank_logits: tl.tensor,
    rank_tokens: tl.tensor,
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
    RANKED: tl.constexpr,
    SAMPLED: tl.constexpr,
    UPCAST: tl.constexpr,
) -> None:
    """Judge `tiles` tiles of the vocabulary for a block of rows.

    Writes `fields` `[6, rows, stretches]` (best, second, total, slope, drawn value, its logit),
    `best_tokens` `[2, rows, stretches]` (most likely, drawn), `rank_logits` and `rank_tokens`
    `[rows, stretches, RANKED]`.
    """
    rows = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    best = tl.full([BLOCK_R], LOWEST, tl.float32)
    second, drawn, drawn_logit = best, best, best
    total = tl.zeros([BLOCK_R], tl.float32)
    slope = total
    token = tl.full([BLOCK_R], NOBODY, tl.int32)
    drawn_token = token
    if RANKED > 0:
        ranked_logits, ranked_tokens = no_ranks(BLOCK_R, RANKED)
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
        if RANKED > 0:
            best = tl.maximum(best, tl.max(x, 1))
            ranked_logits, ranked_tokens = add_ranks(
                ranked_logits, ranked_tokens, x, columns[None, :], RANKED
            )
        else:
            best, second, token = add_best(best, second, token, x, columns)
        if SAMPLED:
            drawn, drawn_logit, drawn_token = add_draw(
                drawn, drawn_logit, drawn_token, x, seeds, temperatures, rows, columns, n_rows
            )
    if RANKED > 0:
        second, token = runner_up(ranked_logits, ranked_tokens, RANKED)
    stretches = tl.num_programs(1)
    here = rows * stretches + tl.program_id(1)
    every = n_rows * stretches
    tl.store(fields + here, best, mask=rows < n_rows)
    tl.store(fields + every + here, second, mask=rows < n_rows)
    tl.store(fields + 2 * every + here, total, mask=rows < n_rows)
    tl.store(fields + 3 * every + here, slope, mask=rows < n_rows)
    tl.store(best_tokens + here, token, mask=rows < n_rows)
    if RANKED > 0:
        place = here[:, None] * RANKED + tl.arange(0, RANKED)[None, :]
        tl.store(rank_logits + place, ranked_logits, mask=(rows < n_rows)[:, None])
        tl.store(rank_tokens + place, ranked_tokens, mask=(rows < n_rows)[:, None])
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
    rank_logits: tl.tensor,
    rank_tokens: tl.tensor,
    out: tl.tensor,
    out_tokens: tl.tensor,
    out_ranked: tl.tensor,
    out_logits: tl.tensor,
    n_rows: tl.int32,
    stretches: tl.int32,
    BLOCK_S: tl.constexpr,
    ASKED: tl.constexpr,
    RANKED: tl.constexpr,
    SAMPLED: tl.constexpr,
) -> None:
    """Merge the stretches of one row.

    Writes `out` `[5, rows]` (log-probability, margin, entropy, that of the drawn token, logarithm
    of the sum), `out_tokens` `[2, rows]`, `out_ranked` and `out_logits` `[rows, RANKED]`, and turns
    `given` from logits into log-probabilities.
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
    tl.store(out + 4 * n_rows + row, tl.where(none, float("-inf"), best + log_total))
    tl.store(out_tokens + row, tl.where(none, -1, token))
    if RANKED > 0:
        store_ranks(
            rank_logits, rank_tokens, row * stretches * RANKED, out_ranked, out_logits,
            stretches * RANKED, BLOCK_S * RANKED, RANKED,
        )  # fmt: skip
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


def _tile(n_rows: int, *, ranked: int, sampled: bool) -> _Tile:
    if n_rows <= _FEW.rows:
        return _FEW_RANKED if ranked else _FEW
    return _MANY_SAMPLED if sampled else _MANY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What programs found in their stretches; see `head_stretch`."""

    fields: Tensor
    tokens: Tensor
    given: Tensor
    rank_logits: Tensor
    rank_tokens: Tensor


def score_rows(
    hidden: Tensor,
    head: Tensor | QuantisedWeight,
    *,
    tokens: Tensor | None = None,
    allowed: Tensor | None = None,
    sampling: Sampling | None = None,
    ranked: int = 0,
) -> RowConfidence:
    """See `midspan_kernels.head.score_rows`."""
    n_rows, width = hidden.shape
    vocab, tile = head.shape[0], _tile(n_rows, ranked=ranked, sampled=sampling is not None)
    row_blocks = triton.cdiv(n_rows, tile.rows)
    every = triton.cdiv(vocab, tile.tokens)
    each = max(1, every * row_blocks // (_WAVES * processors(hidden)))
    found = _room(hidden, triton.cdiv(every, each), tokens, ranked)
    unused = found.fields
    quantised = isinstance(head, QuantisedWeight)
    head_stretch[row_blocks, found.fields.shape[2]](
        hidden,
        head.values if isinstance(head, QuantisedWeight) else head,
        head.scales if isinstance(head, QuantisedWeight) else unused,
        unused if allowed is None else allowed.view(torch.int8),
        unused if tokens is None else tokens,
        sampling.seeds if sampling is not None else unused,
        sampling.temperatures if sampling is not None else unused,
        found.fields, found.tokens, found.given, found.rank_logits, found.rank_tokens,
        n_rows, vocab, width, each,
        tile.rows, tile.tokens, tile.inputs, GROUP, quantised, allowed is not None,
        found.given.shape[1], ranked, sampling is not None, interpreting(),
        num_warps=tile.warps, num_stages=tile.stages, **OPTIONS,
    )  # fmt: skip
    return _merged(found, tokens, ranked, sampled=sampling is not None)


def _room(hidden: Tensor, stretches: int, tokens: Tensor | None, ranked: int) -> _Found:
    rows, asked = hidden.shape[0], 0 if tokens is None else tokens.shape[1]
    return _Found(
        fields=hidden.new_empty((_FIELDS, rows, stretches), dtype=torch.float32),
        tokens=hidden.new_empty((2, rows, stretches), dtype=torch.int32),
        given=hidden.new_full((rows, asked), LOWEST.value, dtype=torch.float32),
        rank_logits=hidden.new_empty((rows, stretches, ranked), dtype=torch.float32),
        rank_tokens=hidden.new_empty((rows, stretches, ranked), dtype=torch.int32),
    )


def _merged(found: _Found, tokens: Tensor | None, ranked: int, *, sampled: bool) -> RowConfidence:
    _, rows, stretches = found.fields.shape
    asked = found.given.shape[1]
    out, out_ids = found.fields.new_empty((5, rows)), found.tokens.new_empty((2, rows))
    ranked_ids = found.tokens.new_empty((rows, ranked))
    ranked_logits = found.fields.new_empty((rows, ranked))
    head_merge[rows,](
        found.fields, found.tokens, found.given, found.tokens if tokens is None else tokens,
        found.rank_logits, found.rank_tokens, out, out_ids, ranked_ids, ranked_logits,
        rows, stretches, triton.next_power_of_2(stretches), asked, ranked, sampled,
        num_warps=_merging_warps(ranked), **OPTIONS,
    )  # fmt: skip
    return RowConfidence(
        tokens=out_ids[0],
        logprobs=out[0],
        margins=out[1],
        entropies=out[2],
        log_normalisers=out[4],
        given_logprobs=found.given if asked else None,
        ranked=ranked_ids if ranked else None,
        ranked_logits=ranked_logits if ranked else None,
        sampled=out_ids[1] if sampled else None,
        sampled_logprobs=out[3] if sampled else None,
    )


def _merging_warps(ranked: int) -> int:
    return 8 if ranked else 4


def variants() -> list[Variant]:
    """What is launched: bf16 or 8-bit weights; ranking for the engine, or verifying or sampling.

    Only the engine has 8-bit floats.
    """
    found = [
        _stretch(rows, kind, ranked=ranked, sampled=sampled)
        for rows in (_FEW.rows, _MANY.rows)
        for kind in _POINTERS
        for ranked, sampled in ((0, False), (0, True), (MOST_TOKENS, False))
        if ranked or kind != "fp8"
    ]
    signature = {
        "fields": "*fp32", "best_tokens": "*i32", "given": "*fp32", "tokens": "*i32",
        "rank_logits": "*fp32", "rank_tokens": "*i32", "out": "*fp32", "out_tokens": "*i32",
        "out_ranked": "*i32", "out_logits": "*fp32", "n_rows": "i32", "stretches": "i32",
    }  # fmt: skip
    drawn = {"BLOCK_S": 1024, "ASKED": 1, "RANKED": 0, "SAMPLED": True}
    ranked = {"BLOCK_S": 1024, "ASKED": 0, "RANKED": MOST_TOKENS, "SAMPLED": False}
    return [
        *found,
        Variant("head_merge", head_merge, signature, drawn),
        Variant("head_merge_ranked", head_merge, signature, ranked, _merging_warps(MOST_TOKENS)),
    ]


_POINTERS = {"bf16": "*bf16", "int8": "*i8", "fp8": "*fp8e4nv"}


def _stretch(rows: int, kind: str, *, ranked: int, sampled: bool) -> Variant:
    tile = _tile(rows, ranked=ranked, sampled=sampled)
    signature = {
        "hidden": "*bf16", "weight": _POINTERS[kind], "scales": "*fp32",
        "allowed": "*i8", "tokens": "*i32", "seeds": "*i64", "temperatures": "*fp32",
        "fields": "*fp32", "best_tokens": "*i32", "given": "*fp32",
        "rank_logits": "*fp32", "rank_tokens": "*i32",
        "n_rows": "i32", "n_columns": "i32", "width": "i32", "tiles": "i32",
    }  # fmt: skip
    constants = {
        "BLOCK_R": tile.rows, "BLOCK_V": tile.tokens, "BLOCK_K": tile.inputs, "GROUP": GROUP,
        "QUANTISED": kind != "bf16", "LIMITED": not ranked, "ASKED": 0 if ranked else 1,
        "RANKED": ranked, "SAMPLED": sampled, "UPCAST": False,
    }  # fmt: skip
    what = f"{'_ranked' if ranked else ''}{'_sampled' if sampled else ''}"
    return Variant(
        f"head_{tile.rows}rows_{kind}{what}", head_stretch, signature, constants,
        tile.warps, tile.stages, ("width", "n_columns"),
        oldest=OLDEST_FP8 if kind == "fp8" else OLDEST,
    )  # fmt: skip

"""Two kernels: programs attend to a part of a request's places each, then the parts are merged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from midspan_kernels.capability import interpreting, processors
from midspan_kernels.device.arithmetic import LOWEST, product
from midspan_kernels.variants import OPTIONS, Variant

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.rows import Batch

_WAVES = 2


@dataclass(frozen=True, slots=True)
class _Tile:
    """`rows` counts pairs of a row and a query head; `places` are keys."""

    rows: int
    places: int
    warps: int
    stages: int


_FEW = _Tile(16, 64, 4, 3)
_MANY = _Tile(64, 64, 8, 2)
"""With 4 warps it would spill."""


@triton.jit
def _sees(
    behind: tl.tensor,
    row: tl.tensor,
    row_behind: tl.tensor,
    places: tl.tensor,
    start: tl.int32,
    end: tl.int32,
) -> tl.tensor:
    """Which places each row sees; `behind` points to the request's first row."""
    index = places - start
    own = (index >= 0) & (places < end)
    place_behind = tl.load(behind + index, mask=own, other=-1)
    limit = tl.where(row_behind < 0, row, row_behind)
    past = (place_behind < 0)[None, :] & (index[None, :] <= limit[:, None])
    together = (place_behind >= 0)[None, :] & (place_behind[None, :] == row_behind[:, None])
    return (past | together) & (places < end)[None, :]


@triton.jit
def _lines(
    pages: tl.tensor,
    places: tl.tensor,
    there: tl.tensor,
    key_head: tl.int32,
    KEY_HEADS: tl.constexpr,
    PAGE: tl.constexpr,
) -> tl.tensor:
    """Where the cache holds places, in units of one head; `pages` points to the request's own."""
    page = tl.load(pages + places // PAGE, mask=there, other=0).to(tl.int64)
    return (page * KEY_HEADS + key_head) * PAGE + places % PAGE


@triton.jit
def _share(
    best: tl.tensor, mass: tl.tensor, scores: tl.tensor, seen: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Online softmax: new best, new mass, how much of the old stays, and the tile's shares."""
    scores = tl.where(seen, scores, LOWEST)
    new = tl.maximum(best, tl.max(scores, 1))
    shares = tl.where(seen, tl.exp2(scores - new[:, None]), 0.0)
    keep = tl.exp2(best - new)
    return new, mass * keep + tl.sum(shares, 1), keep, shares


@triton.jit
def attend_part(
    query: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    firsts: tl.tensor,
    starts: tl.tensor,
    behind: tl.tensor,
    pages: tl.tensor,
    out: tl.tensor,
    masses: tl.tensor,
    scale: tl.float32,
    pages_each: tl.int32,
    part_length: tl.int32,
    n_rows: tl.int32,
    row_tiles: tl.int32,
    KEY_HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD: tl.constexpr,
    PAGE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    WHOLE: tl.constexpr,
    UPCAST: tl.constexpr,
) -> None:
    """Attend to one part of the places, for a tile of rows and all query heads of one key head.

    Writes results `[parts, rows, heads, head]` and, unless WHOLE, the logarithm (base 2) of each
    row's mass `[parts, rows, heads]`.
    """
    request = tl.program_id(0) // row_tiles
    key_head = tl.program_id(1)
    first = tl.load(firsts + request)
    count = tl.load(firsts + request + 1) - first
    start = tl.load(starts + request)
    packed = (tl.program_id(0) % row_tiles) * BLOCK_M + tl.arange(0, BLOCK_M)
    row = packed // GROUP
    real = row < count
    head = key_head * GROUP + packed % GROUP
    d = tl.arange(0, HEAD)
    into = ((first + row) * (KEY_HEADS * GROUP) + head)[:, None] * HEAD + d[None, :]
    q = tl.load(query + into, mask=real[:, None], other=0.0)
    row_behind = tl.load(behind + first + row, mask=real, other=-1)

    best = tl.full([BLOCK_M], LOWEST, tl.float32)
    mass = tl.zeros([BLOCK_M], tl.float32)
    result = tl.zeros([BLOCK_M, HEAD], tl.float32)
    low = tl.program_id(2) * part_length
    high = tl.minimum(start + count, low + part_length)
    if (tl.program_id(0) % row_tiles) * BLOCK_M >= count * GROUP:
        high = low  # requests in a batch differ in rows
    for place in range(low, high, BLOCK_N):
        places = place + tl.arange(0, BLOCK_N)
        there = places < high
        line = _lines(pages + request * pages_each, places, there, key_head, KEY_HEADS, PAGE)
        k = tl.load(keys + line[:, None] * HEAD + d[None, :], mask=there[:, None], other=0.0)
        scores = product(q, tl.trans(k), UPCAST) * scale
        seen = _sees(behind + first, row, row_behind, places, start, high)
        best, mass, keep, shares = _share(best, mass, scores, seen)
        v = tl.load(values + line[:, None] * HEAD + d[None, :], mask=there[:, None], other=0.0)
        result = result * keep[:, None] + product(shares.to(v.dtype), v, UPCAST)

    result = result / tl.where(mass > 0, mass, 1.0)[:, None]
    part = tl.program_id(2).to(tl.int64) * n_rows * (KEY_HEADS * GROUP)
    tl.store(out + part * HEAD + into, result.to(out.dtype.element_ty), mask=real[:, None])
    if not WHOLE:
        log_mass = tl.where(mass > 0, best + tl.log2(tl.where(mass > 0, mass, 1.0)), LOWEST)
        tl.store(masses + part + (first + row) * (KEY_HEADS * GROUP) + head, log_mass, mask=real)


@triton.jit
def attend_merge(
    parts: tl.tensor,
    masses: tl.tensor,
    out: tl.tensor,
    n_parts: tl.int32,
    lines: tl.int32,
    HEAD: tl.constexpr,
    BLOCK_P: tl.constexpr,
) -> None:
    """Merge the parts of one row and head, a line, weighted by their masses."""
    line = tl.program_id(0)
    p = tl.arange(0, BLOCK_P)
    d = tl.arange(0, HEAD)
    best = tl.full([BLOCK_P], LOWEST, tl.float32)
    for first in range(0, n_parts, BLOCK_P):
        part = first + p
        found = tl.load(masses + part * lines + line, mask=part < n_parts, other=LOWEST)
        best = tl.maximum(best, found)
    top = tl.max(best, 0)
    total = tl.zeros([BLOCK_P], tl.float32)
    result = tl.zeros([HEAD], tl.float32)
    for first in range(0, n_parts, BLOCK_P):
        part = first + p
        found = tl.load(masses + part * lines + line, mask=part < n_parts, other=LOWEST)
        share = tl.where(found > LOWEST, tl.exp2(found - top), 0.0)
        here = (part.to(tl.int64) * lines + line)[:, None] * HEAD + d[None, :]
        found_result = tl.load(parts + here, mask=(share > 0)[:, None], other=0.0)
        result += tl.sum(share[:, None] * found_result, 0)
        total += share
    mass = tl.sum(total, 0)
    result = result / tl.where(mass > 0, mass, 1.0)
    tl.store(out + line * HEAD + d, result.to(out.dtype.element_ty))


def attend(query: Tensor, keys: Tensor, values: Tensor, batch: Batch) -> Tensor:
    """See `midspan_kernels.attention.attend`."""
    n_rows, heads, size = query.shape
    key_heads, page = keys.shape[1], keys.shape[2]
    group = heads // key_heads
    tile = _tile(batch.most_rows * group)
    row_tiles = triton.cdiv(batch.most_rows * group, tile.rows)
    requests = batch.starts.shape[0]
    length = _part_length(batch.longest, requests * row_tiles * key_heads, tile, query)
    n_parts = triton.cdiv(batch.longest, length)
    whole = n_parts == 1
    out = torch.empty_like(query)
    masses = out.new_empty((n_parts, n_rows, heads), dtype=torch.float32)
    parts = out if whole else masses.new_empty((n_parts, n_rows, heads, size))
    attend_part[requests * row_tiles, key_heads, n_parts](
        query, keys, values, batch.firsts, batch.starts, batch.behind, batch.pages, parts, masses,
        size**-0.5 * math.log2(math.e), batch.pages.shape[1], length, n_rows, row_tiles,
        key_heads, group, size, page, tile.rows, tile.places, whole, interpreting(),
        num_warps=tile.warps, num_stages=tile.stages, **OPTIONS,
    )  # fmt: skip
    if not whole:
        lines = n_rows * heads
        attend_merge[lines,](parts, masses, out, n_parts, lines, size, 16, num_warps=2, **OPTIONS)
    return out


def _tile(packed_rows: int) -> _Tile:
    return _FEW if packed_rows <= _FEW.rows else _MANY


def _part_length(longest: int, programs: int, tile: _Tile, tensor: Tensor) -> int:
    """Places for each program, so that all multiprocessors have work; whole tiles."""
    wanted = max(1, _WAVES * processors(tensor) // programs)
    return -(-longest // (wanted * tile.places)) * tile.places


def variants() -> list[Variant]:
    """Heads of 0.5B (7 queries share 64 wide keys), 1.5B (6, 128) and 7B (7, 128)."""
    found = [
        _part(tile, key_heads, group, head, whole=whole)
        for tile in (_FEW, _MANY)
        for key_heads, group, head in ((2, 7, 64), (2, 6, 128), (4, 7, 128))
        for whole in (False, True)
    ]
    merge = {"parts": "*fp32", "masses": "*fp32", "out": "*bf16", "n_parts": "i32", "lines": "i32"}
    return [
        *found,
        *(
            Variant(
                f"attention_merge_{size}", attend_merge, merge, {"HEAD": size, "BLOCK_P": 16}, 2
            )
            for size in (64, 128)
        ),
    ]


def _part(tile: _Tile, key_heads: int, group: int, head: int, *, whole: bool) -> Variant:
    signature = {
        "query": "*bf16", "keys": "*bf16", "values": "*bf16", "firsts": "*i32", "starts": "*i32",
        "behind": "*i32", "pages": "*i32", "out": "*bf16" if whole else "*fp32", "masses": "*fp32",
        "scale": "fp32", "pages_each": "i32", "part_length": "i32", "n_rows": "i32",
        "row_tiles": "i32",
    }  # fmt: skip
    constants = {
        "KEY_HEADS": key_heads, "GROUP": group, "HEAD": head, "PAGE": 32, "BLOCK_M": tile.rows,
        "BLOCK_N": tile.places, "WHOLE": whole, "UPCAST": False,
    }  # fmt: skip
    name = f"attention_{tile.rows}x{head}_{key_heads}x{group}{'' if whole else '_part'}"
    return Variant(
        name, attend_part, signature, constants, tile.warps, tile.stages, ("part_length",)
    )

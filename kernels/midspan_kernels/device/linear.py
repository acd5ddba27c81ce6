"""One program multiplies a tile of rows and outputs, over all inputs or a part of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from midspan_kernels.capability import interpreting
from midspan_kernels.device.arithmetic import product
from midspan_kernels.linear import FEW_ROWS
from midspan_kernels.variants import OLDEST, OLDEST_FP8, OPTIONS, Variant
from midspan_kernels.weights import GROUP, QuantisedWeight

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.linear import RowAdapter


@dataclass(frozen=True, slots=True)
class _Tile:
    rows: int
    outputs: int
    warps: int
    stages: int


_FEW = _Tile(FEW_ROWS, 64, 4, 4)
_FEW_FLOATS = _Tile(FEW_ROWS, 64, 8, 4)
"""For 8-bit floats: with 4 warps it would spill on sm_90."""
_MANY = _Tile(64, 64, 8, 3)


@triton.jit
def _load_x(
    x: tl.tensor, rows: tl.tensor, k: tl.tensor, n_rows: tl.int32, inputs: tl.int32
) -> tl.tensor:
    here = rows[:, None] * inputs + k[None, :]
    return tl.load(x + here, mask=(rows < n_rows)[:, None], other=0.0)


@triton.jit
def _group_product(
    x: tl.tensor,
    values: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    group: tl.int32,
    n_rows: tl.int32,
    outputs: tl.int32,
    inputs: tl.int32,
    PACKED: tl.constexpr,
    GROUP: tl.constexpr,
    UPCAST: tl.constexpr,
) -> tl.tensor:
    """Rows times one group of 128 inputs, before its scale; every value is exact in bf16."""
    there = (columns < outputs)[:, None]
    kind = x.dtype.element_ty
    if not PACKED:
        k = group * GROUP + tl.arange(0, GROUP)
        w = tl.load(values + columns[:, None] * inputs + k[None, :], mask=there, other=0.0)
        if w.dtype != kind:
            w = w.to(tl.float32).to(kind)
        total = product(_load_x(x, rows, k, n_rows, inputs), tl.trans(w), UPCAST)
    else:
        k = tl.arange(0, GROUP // 2)
        here = columns[:, None] * (inputs // 2) + group * (GROUP // 2) + k[None, :]
        packed = tl.load(values + here, mask=there, other=0).to(tl.int32)
        k += group * GROUP
        low = ((packed & 15) - 8).to(tl.float32).to(kind)
        high = ((packed >> 4) - 8).to(tl.float32).to(kind)
        total = product(_load_x(x, rows, k, n_rows, inputs), tl.trans(low), UPCAST)
        k += GROUP // 2
        total += product(_load_x(x, rows, k, n_rows, inputs), tl.trans(high), UPCAST)
    return total


@triton.jit
def _low_rank(
    x: tl.tensor,
    down: tl.tensor,
    up: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    first: tl.int32,
    last: tl.int32,
    n_rows: tl.int32,
    outputs: tl.int32,
    inputs: tl.int32,
    GROUP: tl.constexpr,
    RANK: tl.constexpr,
    UPCAST: tl.constexpr,
) -> tl.tensor:
    """What the adapter adds for these inputs; parts add up, for it is linear in them."""
    r = tl.arange(0, RANK)
    narrow = tl.zeros([rows.shape[0], RANK], tl.float32)
    # From the L2 cache mostly: two stages cover it, and shared memory is scarce.
    for group in tl.range(first, last, num_stages=2):
        k = group * GROUP + tl.arange(0, GROUP)
        a = tl.load(down + r[:, None] * inputs + k[None, :])
        narrow += product(_load_x(x, rows, k, n_rows, inputs), tl.trans(a), UPCAST)
    here = columns[:, None] * RANK + r[None, :]
    b = tl.load(up + here, mask=(columns < outputs)[:, None], other=0.0)
    return product(narrow.to(b.dtype), tl.trans(b), UPCAST)


@triton.jit
def multiply_tile(
    x: tl.tensor,
    values: tl.tensor,
    scales: tl.tensor,
    bias: tl.tensor,
    down: tl.tensor,
    up: tl.tensor,
    adapted: tl.tensor,
    out: tl.tensor,
    n_rows: tl.int32,
    outputs: tl.int32,
    inputs: tl.int32,
    groups_each: tl.int32,
    PACKED: tl.constexpr,
    SCALED: tl.constexpr,
    GROUP: tl.constexpr,
    RANK: tl.constexpr,
    BIASED: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_N: tl.constexpr,
    UPCAST: tl.constexpr,
) -> None:
    """Write `out` `[parts, rows, outputs]`; RANK 0 means that there is no adapter."""
    rows = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    columns = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    part = tl.program_id(2)
    first = part * groups_each
    last = tl.minimum(first + groups_each, inputs // GROUP)
    total = tl.zeros([BLOCK_R, BLOCK_N], tl.float32)
    for group in range(first, last):
        part_product = _group_product(
            x, values, rows, columns, group, n_rows, outputs, inputs, PACKED, GROUP, UPCAST
        )
        if SCALED:
            scale = tl.load(scales + group * outputs + columns, mask=columns < outputs, other=0.0)
            part_product *= scale[None, :]
        total += part_product
    if RANK > 0:
        flags = tl.load(adapted + rows, mask=rows < n_rows, other=0)
        if tl.max(flags.to(tl.int32), 0) > 0:
            added = _low_rank(
                x, down, up, rows, columns, first, last, n_rows, outputs, inputs,
                GROUP, RANK, UPCAST,
            )  # fmt: skip
            total += tl.where((flags > 0)[:, None], added, 0.0)
    if BIASED:  # noqa: SIM102  a constant and a value of the program
        if part == 0:
            total += tl.load(bias + columns, mask=columns < outputs, other=0.0)[None, :]
    here = (part * n_rows + rows)[:, None] * outputs + columns[None, :]
    there = (rows < n_rows)[:, None] & (columns < outputs)[None, :]
    tl.store(out + here, total.to(out.dtype.element_ty), mask=there)


def multiply(
    x: Tensor,
    weight: QuantisedWeight | Tensor,
    *,
    bias: Tensor | None = None,
    adapter: RowAdapter | None = None,
    parts: int = 1,
) -> Tensor:
    """See `midspan_kernels.linear.multiply`."""
    n_rows = x.shape[0]
    outputs, inputs = weight.shape
    tile = _tile(n_rows, floats=isinstance(weight, QuantisedWeight) and weight.floats)
    kind = x.dtype if parts == 1 else torch.float32
    out = x.new_empty((parts, n_rows, outputs), dtype=kind)
    grid = triton.cdiv(n_rows, tile.rows), triton.cdiv(outputs, tile.outputs), parts
    multiply_tile[grid](
        x,
        weight.values if isinstance(weight, QuantisedWeight) else weight,
        weight.scales if isinstance(weight, QuantisedWeight) else x,
        x if bias is None else bias,
        x if adapter is None else adapter.down,
        x if adapter is None else adapter.up,
        x if adapter is None else adapter.rows.view(torch.int8),
        out, n_rows, outputs, inputs, triton.cdiv(inputs // GROUP, parts),
        isinstance(weight, QuantisedWeight) and weight.packed, isinstance(weight, QuantisedWeight),
        GROUP, 0 if adapter is None else adapter.down.shape[0], bias is not None,
        tile.rows, tile.outputs, interpreting(),
        num_warps=tile.warps, num_stages=tile.stages, **OPTIONS,
    )  # fmt: skip
    return out if parts > 1 else out[0]


def _tile(n_rows: int, *, floats: bool) -> _Tile:
    if n_rows > FEW_ROWS:
        return _MANY
    return _FEW_FLOATS if floats else _FEW


def variants() -> list[Variant]:
    """All weights, few and many rows, ranks: an adapter of 32 has 64 and 128 where merged.

    The engine has no 4 bits yet, and dense weights for many rows without an adapter are torch's.
    """
    shapes = ((0, False), (0, True), (32, True), (64, False), (128, False))
    return [
        _variant(_tile(rows, floats=kind == "fp8"), kind, rank, parts=parts)
        for rows in (FEW_ROWS, _MANY.rows)
        for kind in _POINTERS
        for rank, parts in shapes
        if kind != "int4" or (rank, parts) in (shapes[0], shapes[2], shapes[4])
    ]


_POINTERS = {"bf16": "*bf16", "int8": "*i8", "fp8": "*fp8e4nv", "int4": "*u8"}


def _variant(tile: _Tile, kind: str, rank: int, *, parts: bool) -> Variant:
    signature = {
        "x": "*bf16", "values": _POINTERS[kind], "scales": "*fp32",
        "bias": "*bf16", "down": "*bf16", "up": "*bf16", "adapted": "*i8",
        "out": "*fp32" if parts else "*bf16",
        "n_rows": "i32", "outputs": "i32", "inputs": "i32", "groups_each": "i32",
    }  # fmt: skip
    constants = {
        "PACKED": kind == "int4", "SCALED": kind != "bf16", "GROUP": GROUP,
        "RANK": rank, "BIASED": not parts, "BLOCK_R": tile.rows, "BLOCK_N": tile.outputs,
        "UPCAST": False,
    }  # fmt: skip
    name = f"{kind}_{tile.rows}rows_rank{rank}{'_parts' if parts else ''}"
    return Variant(
        name, multiply_tile, signature, constants, tile.warps, tile.stages, ("outputs", "inputs"),
        oldest=OLDEST_FP8 if kind == "fp8" else OLDEST,
    )  # fmt: skip

"""One program a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from midspan_kernels.variants import OPTIONS, Variant

if TYPE_CHECKING:
    from torch import Tensor

_PER_WARP = 512


@triton.jit
def norm_row(
    residual: tl.tensor,
    update: tl.tensor,
    weight: tl.tensor,
    out: tl.tensor,
    epsilon: tl.float32,
    width: tl.int32,
    parts: tl.int32,
    BLOCK: tl.constexpr,
) -> None:
    """Add the parts, keep the sum, write it normed."""
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    there = column < width
    x = tl.load(residual + row * width + column, mask=there, other=0.0)
    for part in range(parts):
        here = (part * tl.num_programs(0) + row) * width + column
        x += tl.load(update + here, mask=there, other=0.0).to(tl.float32)
    if parts > 0:
        tl.store(residual + row * width + column, x, mask=there)
    scale = tl.rsqrt(tl.sum(x * x, 0) / width + epsilon)
    gain = tl.load(weight + column, mask=there, other=0.0).to(tl.float32)
    tl.store(out + row * width + column, (x * scale * gain).to(out.dtype.element_ty), mask=there)


def add_and_norm(residual: Tensor, update: Tensor | None, weight: Tensor, epsilon: float) -> Tensor:
    """See `midspan_kernels.norm.add_and_norm`."""
    rows, width = residual.shape
    out = torch.empty_like(residual, dtype=weight.dtype)
    block = triton.next_power_of_2(width)
    norm_row[rows,](
        residual, residual if update is None else update, weight, out, epsilon, width,
        0 if update is None else update.shape[0], block, num_warps=_warps(block), **OPTIONS,
    )  # fmt: skip
    return out


def _warps(block: int) -> int:
    return min(8, max(1, block // _PER_WARP))


def variants() -> list[Variant]:
    """Widths of 0.5B, 1.5B and 7B, a finished update or parts; heads whose queries are normed."""
    return [
        Variant(
            f"norm_{block}_{kind}",
            norm_row,
            {
                "residual": "*fp32", "update": f"*{kind}", "weight": "*bf16", "out": "*bf16",
                "epsilon": "fp32", "width": "i32", "parts": "i32",
            },
            {"BLOCK": block},
            _warps(block),
            divisible=("width",),
        )
        for block, kinds in {
            64: ("fp32",), 128: ("fp32",),
            1024: ("bf16", "fp32"), 2048: ("bf16", "fp32"), 4096: ("bf16", "fp32"),
        }.items()
        for kind in kinds
    ]  # fmt: skip

"""One program a row and a stretch of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from midspan_kernels.variants import OPTIONS, Variant

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 1024


@triton.jit
def gate_row(mixed: tl.tensor, out: tl.tensor, width: tl.int32, BLOCK: tl.constexpr) -> None:
    """`silu(gate) * up` of a stretch of one row."""
    row = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = column < width
    source = mixed + row * 2 * width + column
    gates = tl.load(source, mask=there, other=0.0).to(tl.float32)
    values = tl.load(source + width, mask=there, other=0.0).to(tl.float32)
    gated = gates * tl.sigmoid(gates) * values
    tl.store(out + row * width + column, gated.to(out.dtype.element_ty), mask=there)


def gate(mixed: Tensor) -> Tensor:
    """See `midspan_kernels.activation.gate`."""
    rows, width = mixed.shape[0], mixed.shape[1] // 2
    out = mixed.new_empty((rows, width))
    gate_row[rows, triton.cdiv(width, _BLOCK)](mixed, out, width, _BLOCK, **OPTIONS)
    return out


def variants() -> list[Variant]:
    """One for all widths."""
    signature = {"mixed": "*bf16", "out": "*bf16", "width": "i32"}
    return [Variant("swiglu", gate_row, signature, {"BLOCK": _BLOCK}, divisible=("width",))]

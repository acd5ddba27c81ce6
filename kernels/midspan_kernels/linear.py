"""Product of few rows with weights, the adapter's low-rank product added where it acts.

Source: weights in groups (GPTQ, Frantar et al. 2022, arXiv 2210.17323; here rounded to nearest),
split-K for few rows (Hoque et al. 2024, arXiv 2402.00025), LoRA (Hu et al. 2021, arXiv 2106.09685)
on chosen rows as in S-LoRA (Sheng et al. 2023, arXiv 2311.03285).

Bytes: `outputs * inputs * (bits / 8 + 4 / 128)` (2 with bf16 weights), `rows *
inputs * 2`, `rows * outputs * 2`; with an adapter row in the tile also `rank * (inputs + outputs) *
2`, which each program reads from the L2 cache.

Why it stays: cuBLAS and torchao move the same bytes but know no rows, so an adapter on some of
them costs two more products, a masked addition, 2 more writes and reads of `rows * outputs`, and
three launches at each of 96 linears (0.5B, q-k-v and gate-up merged): at 1 us each in a captured
graph 300 us, beside 300 us of weights in bf16 and 150 in 8 bits. Here it costs nothing while no row
of the tile needs it. And up to 16 rows get the same bits each, whatever the others are and do,
which no library promises: a token is verified with what it would be decoded with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from midspan_kernels.capability import backend, processors, runs_triton
from midspan_kernels.checks import FLOATS, check_device, check_dtype, check_shape
from midspan_kernels.weights import GROUP, QuantisedWeight

if TYPE_CHECKING:
    from torch import Tensor

RANKS = (16, 32, 64, 128)
FEW_ROWS = 16
"""So many rows at most are one tile: each gets the same bits, however many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAdapter:
    """A low-rank addition `x down^T up^T` for chosen rows.

    Attributes:
        down: `[rank, inputs]`; for merged linears the matrices one below the other.
        up: `[outputs, rank]`, times alpha / rank; for merged linears block-diagonal.
        rows: bool `[rows]`, which rows it acts on.
    """

    down: Tensor
    up: Tensor
    rows: Tensor


def multiply(
    x: Tensor,
    weight: QuantisedWeight | Tensor,
    *,
    bias: Tensor | None = None,
    adapter: RowAdapter | None = None,
    parts: int = 1,
) -> Tensor:
    """Multiply rows with a matrix; for many rows of dense weights without an adapter take torch's.

    Args:
        x: `[rows, inputs]`, float32, bfloat16 or float16.
        weight: `[outputs, inputs]`; quantised, or dense in the dtype of `x`.
        bias: `[outputs]`, dtype of `x`.
        adapter: Low-rank addition, dtype of `x`.
        parts: Over how many programs the inputs are split; `norm.add_and_norm` adds them up.

    Returns:
        `[rows, outputs]` in the dtype of `x`; with several parts float32 `[parts, rows, outputs]`.

    Raises:
        ValueError: a shape, dtype or device does not fit.
    """
    check_dtype("x", x, FLOATS)
    outputs, inputs = _check_weight(weight, x)
    check_shape("x", x, (None, inputs))
    if not 1 <= parts <= inputs // GROUP:
        raise ValueError(f"parts must be 1 to {inputs // GROUP}, groups of inputs; got {parts}")
    if bias is not None:
        check_shape("bias", bias, (outputs,))
        check_dtype("bias", bias, (x.dtype,))
        check_device(x=x, bias=bias)
    if adapter is not None:
        _check_adapter(adapter, x, outputs)
    product: Tensor = backend("linear", x).multiply(
        x, weight, bias=bias, adapter=adapter, parts=parts
    )
    return product


def _check_weight(weight: QuantisedWeight | Tensor, x: Tensor) -> tuple[int, int]:
    """(outputs, inputs)."""
    if isinstance(weight, QuantisedWeight):
        check_device(x=x, values=weight.values, scales=weight.scales)
        return weight.shape
    check_shape("weight", weight, (None, None))
    check_dtype("weight", weight, (x.dtype,))
    check_device(x=x, weight=weight)
    outputs, inputs = weight.shape
    if inputs % GROUP:
        raise ValueError(f"the inputs must be a multiple of {GROUP}; got {inputs}: pad with zeros")
    return outputs, inputs


def _check_adapter(adapter: RowAdapter, x: Tensor, outputs: int) -> None:
    rank = adapter.down.shape[0]
    if rank not in RANKS:
        raise ValueError(f"the rank must be one of {RANKS}; got {rank}: pad with zeros")
    check_shape("adapter.down", adapter.down, (rank, x.shape[1]))
    check_shape("adapter.up", adapter.up, (outputs, rank))
    check_shape("adapter.rows", adapter.rows, (x.shape[0],))
    check_dtype("adapter.down", adapter.down, (x.dtype,))
    check_dtype("adapter.up", adapter.up, (x.dtype,))
    check_dtype("adapter.rows", adapter.rows, (torch.bool,))
    check_device(x=x, down=adapter.down, up=adapter.up, rows=adapter.rows)


def useful_parts(x: Tensor, outputs: int, inputs: int) -> int:
    """How many parts give every multiprocessor a program; 1 where outputs alone do, or on a CPU."""
    if not runs_triton(x):
        return 1
    programs = -(-outputs // 64) * -(-x.shape[0] // FEW_ROWS)
    return max(1, min(8, processors(x) // programs, inputs // GROUP))

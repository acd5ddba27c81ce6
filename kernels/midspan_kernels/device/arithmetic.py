"""What several kernels compute with."""

from __future__ import annotations

import triton
import triton.language as tl

LOWEST = tl.constexpr(-2e30)
"""Stands for minus infinity: finite, so that differences and products with 0 stay numbers."""

LIMIT = tl.constexpr(1e30)
"""No logit is larger; what is infinite is cut to it."""

NOBODY = tl.constexpr(2147483647)
"""Larger than any token."""


@triton.jit
def product(left: tl.tensor, right: tl.tensor, UPCAST: tl.constexpr) -> tl.tensor:
    """`left @ right` in float32. UPCAST: the interpreter would multiply the bits of bf16."""
    if UPCAST:
        left = left.to(tl.float32)
        right = right.to(tl.float32)
    return tl.dot(left, right, input_precision="ieee")

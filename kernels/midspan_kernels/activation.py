"""SwiGLU: `silu(gate) * up` from one projection that holds both.

Source: Shazeer 2020, arXiv 2002.05202; fused as in Liger.

Bytes: `3 * rows * mlp * 2`; eager torch moves `5 * rows * mlp * 2` and launches twice.

Why it stays: by bytes it ties with torch.compile and with Liger. But it is the only point-wise
operation left beside our own kernels, and one tile of Triton costs nothing at start-up, whereas
Inductor would be needed for it alone and would compile once for every bucket of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_kernels.capability import backend
from midspan_kernels.checks import FLOATS, check_dtype, check_shape

if TYPE_CHECKING:
    from torch import Tensor


def gate(mixed: Tensor) -> Tensor:
    """Let the first half of each row pass the second.

    Args:
        mixed: `[rows, 2 * mlp]`, gates then values.

    Returns:
        `[rows, mlp]`, same dtype.

    Raises:
        ValueError: the shape or dtype does not fit.
    """
    check_shape("mixed", mixed, (None, None))
    check_dtype("mixed", mixed, FLOATS)
    if mixed.shape[1] % 2:
        raise ValueError(f"mixed must hold two equal halves; got {mixed.shape[1]} columns")
    gated: Tensor = backend("activation", mixed).gate(mixed)
    return gated

"""Twin of `device.norm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def add_and_norm(residual: Tensor, update: Tensor | None, weight: Tensor, epsilon: float) -> Tensor:
    """See `midspan_kernels.norm.add_and_norm`."""
    if update is not None:
        residual += update.float().sum(0)
    scale = (residual.square().mean(-1, keepdim=True) + epsilon).rsqrt()
    return (residual * scale * weight.float()).to(weight.dtype)

"""Twin of `device.activation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


def gate(mixed: Tensor) -> Tensor:
    """See `midspan_kernels.activation.gate`."""
    gates, values = mixed.float().chunk(2, dim=-1)
    return (functional.silu(gates) * values).to(mixed.dtype)

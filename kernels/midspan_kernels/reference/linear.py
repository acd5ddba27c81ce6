"""Twin of `device.linear`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_kernels.weights import GROUP, QuantisedWeight, restore

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from midspan_kernels.linear import RowAdapter


def multiply(
    x: Tensor,
    weight: QuantisedWeight | Tensor,
    *,
    bias: Tensor | None = None,
    adapter: RowAdapter | None = None,
    parts: int = 1,
) -> Tensor:
    """See `midspan_kernels.linear.multiply`."""
    outputs, inputs = weight.shape
    whole = restore(weight) if isinstance(weight, QuantisedWeight) else weight.float()
    product = x.new_zeros((parts, x.shape[0], outputs), dtype=whole.dtype)
    each = -(-(inputs // GROUP) // parts) * GROUP
    for part in range(parts):
        here = slice(part * each, (part + 1) * each)
        product[part] = x[:, here].float() @ whole[:, here].T
        if adapter is not None:
            product[part] += _added(x, adapter, here)
    if bias is not None:
        product[0] += bias.float()
    return product if parts > 1 else product[0].to(x.dtype)


def _added(x: Tensor, adapter: RowAdapter, here: slice) -> torch.Tensor:
    narrow = (x[:, here].float() @ adapter.down[:, here].float().T).to(x.dtype)
    return (narrow.float() @ adapter.up.float().T) * adapter.rows[:, None]

"""Frozen linears laid out once for the CPU's bf16 matrix unit, with a fused low-rank addition.

A plain bf16 linear lets oneDNN rearrange the weight at every call. These weights never change, so
they are rearranged once, for the forward product and, transposed, for the gradient of the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from midspan_engine.models.transformer import Transformer

_TYPICAL_ROWS = 256


def can_pack(dtype: torch.dtype, device: str) -> bool:
    """Whether this torch build has oneDNN's packed bf16 linear for the device."""
    return device == "cpu" and dtype == torch.bfloat16 and _supported()


def pack_linears(model: Transformer) -> None:
    """Replace every linear of the layers; the model can then be trained through, not trained."""
    for owner in list(model.layers.modules()):
        for name, child in list(owner.named_children()):
            if isinstance(child, nn.Linear):
                setattr(owner, name, PackedLinear(child))


def _supported() -> bool:
    # torch has no public name for these operators; inductor uses the same ones.
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


class PackedLinear(nn.Module):
    """`x W^T + b`, and the same plus `scale * B A x` in one differentiable step."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.dtype = weight.dtype
        self.bias = linear.bias
        self.forward_weight = _pack(weight)
        self.backward_weight = _pack(weight.t().contiguous())

    def forward(self, x: Tensor) -> Tensor:
        return _product(x, self.forward_weight, self.bias)

    def adapted(self, x: Tensor, lora_a: Tensor, lora_b: Tensor, scale: float) -> Tensor:
        """Output for `x` `[..., in]` with the addition; gradients reach x, A and B."""
        added: Tensor = _Adapted.apply(x, lora_a, lora_b, self, scale)  # type: ignore[no-untyped-call]
        return added


class _Adapted(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, lora_a: Tensor, lora_b: Tensor, linear: PackedLinear, scale: float
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        narrow_a, narrow_b = lora_a.to(x.dtype), (lora_b * scale).to(x.dtype)
        inner = flat @ narrow_a.t()
        y = linear(flat)
        y.addmm_(inner, narrow_b.t())
        ctx.save_for_backward(flat, inner, narrow_a, narrow_b)
        ctx.linear, ctx.scale, ctx.shape = linear, scale, x.shape
        shaped: Tensor = y.view(*x.shape[:-1], -1)
        return shaped

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        flat, inner, narrow_a, narrow_b = ctx.saved_tensors
        grad = grads[0].reshape(-1, grads[0].shape[-1])
        grad_inner = grad @ narrow_b
        grad_x = _product(grad, ctx.linear.backward_weight, None)
        grad_x.addmm_(grad_inner, narrow_a)
        grad_a = (grad_inner.t() @ flat).float()
        grad_b = (grad.t() @ inner).float() * ctx.scale
        return grad_x.view(ctx.shape), grad_a, grad_b, None, None


def _pack(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, _TYPICAL_ROWS)  # noqa: SLF001
    return packed


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    operator = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001
    y: Tensor = operator(x, weight, bias, "none", [], "")
    return y

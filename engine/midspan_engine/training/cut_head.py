"""Head over the kept vocabulary fused with its loss: the logits are walked over few times."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def token_loss(
    hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Weighted cross entropy of `hidden` `[rows, hidden]` against one token a row, summed.

    Returns:
        The sum, and the most likely token of each row.
    """
    masses = torch.ones_like(targets).unsqueeze(1).float()
    total, best = SoftCrossEntropy.apply(hidden, head, targets.unsqueeze(1), masses, weights)  # type: ignore[no-untyped-call]
    return total, best


class SoftCrossEntropy(torch.autograd.Function):
    """Weighted cross entropy of `hidden` `[rows, hidden]` against sparse target distributions.

    `places` and `masses` `[rows, n]` give each row's target: indices into the kept vocabulary and
    their probability. Rows whose masses add up to less than 1 count for less. Returns the sum, and
    the most likely index of each row for the log.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, places: Tensor, masses: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits = functional.linear(hidden.to(head.dtype), head).float()
        best = logits.argmax(dim=-1)
        logs = functional.log_softmax(logits, dim=-1)
        weighted = masses * weights.unsqueeze(1)
        total = -(logs.gather(1, places) * weighted).sum()
        # Gradient of the logits: weight times (softmax times mass, minus the target).
        gradient = logs.exp_().mul_(weighted.sum(dim=1, keepdim=True))
        gradient.scatter_add_(1, places, -weighted)
        ctx.save_for_backward(gradient.to(head.dtype) @ head)
        ctx.mark_non_differentiable(best)
        return total, best

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient.float() * grads[0], None, None, None, None

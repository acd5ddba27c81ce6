"""Twin of `device.unmask`: request by request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from midspan_kernels.reference.committing import commit
from midspan_kernels.spans import MASK
from midspan_kernels.unmask import ENTROPY_BOUND, THRESHOLD

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.confidence import RowConfidence
    from midspan_kernels.spans import Spans
    from midspan_kernels.unmask import Policies


def unmask(spans: Spans, scores: RowConfidence, policies: Policies, ends: Tensor) -> None:
    """See `midspan_kernels.unmask.unmask`."""
    requests, wanted = spans.wanted.shape
    tokens = scores.tokens.view(requests, wanted)
    logprobs = scores.logprobs.view(requests, wanted)
    entropies = scores.entropies.view(requests, wanted)
    for request in range(requests):
        if spans.done[request]:
            continue
        kind, limit = int(policies.kinds[request]), float(policies.limits[request])
        chosen = select(kind, limit, logprobs[request, 1:], entropies[request, 1:])
        chosen = torch.cat([chosen.new_ones(1), chosen]) & (tokens[request] >= 0)
        run = int(chosen.int().cumprod(0).sum())
        tail = torch.where(chosen, tokens[request], MASK)
        lead = int(spans.leads[request])
        run = commit(spans, request, tokens[request, :run], logprobs[request], ends)
        if run:
            _next_pass(spans, request, lead, run, tail)


def select(kind: int, limit: float, logprobs: Tensor, entropies: Tensor) -> Tensor:
    """Which cells a step fills, bool `[cells]`."""
    if kind == THRESHOLD:
        return logprobs >= limit
    order = torch.sort(entropies if kind == ENTROPY_BOUND else -logprobs, stable=True).indices
    if kind == ENTROPY_BOUND:
        ordered = entropies[order]
        filled = ordered.cumsum(0) - ordered <= limit
    else:
        filled = torch.arange(len(order), device=order.device) < limit
    chosen = torch.zeros_like(filled)
    chosen[order] = filled
    return chosen


def _next_pass(spans: Spans, request: int, lead: int, run: int, tail: Tensor) -> None:
    cells = len(tail) - 1
    start = int(spans.starts[request]) + lead
    causal = torch.zeros_like(tail)
    causal[:run] = spans.tokens[request][spans.lengths[request] - run : spans.lengths[request]]
    block = torch.full_like(tail[1:], MASK)
    block[: len(tail) - run] = tail[run:]
    index = torch.arange(cells + 1, device=tail.device)
    spans.ids[request] = torch.cat([causal, block])
    spans.positions[request] = start + torch.cat([index, run + index[:cells]])
    spans.behind[request, cells + 1 :] = run - 1
    spans.wanted[request, 0] = run - 1
    spans.starts[request] = start
    spans.leads[request] = run

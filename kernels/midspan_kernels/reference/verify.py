"""Twin of `device.verify`: request by request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from midspan_kernels.reference.committing import commit
from midspan_kernels.verify import cells_of

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.confidence import RowConfidence
    from midspan_kernels.spans import Spans


def confirm(spans: Spans, scores: RowConfidence, log_ratios: Tensor, ends: Tensor) -> None:
    """See `midspan_kernels.verify.confirm`."""
    assert scores.given_logprobs is not None
    requests, rows = spans.ids.shape
    cells = cells_of(spans)
    best = scores.tokens.view(requests, rows)
    logprobs = scores.logprobs.view(requests, rows)
    given = scores.given_logprobs.view(requests, rows)
    for request in range(requests):
        if spans.done[request]:
            continue
        guesses = spans.ids[request, 1 : cells + 1]
        tokens, chances = best[request, : cells + 1].clone(), logprobs[request, : cells + 1].clone()
        near = given[request, :cells] - chances[:cells] >= log_ratios[request]
        right = (guesses == tokens[:cells]) | (near & (log_ratios[request] < 0))
        tokens[:cells] = torch.where(right, guesses, tokens[:cells])
        chances[:cells] = torch.where(right, given[request, :cells], chances[:cells])
        settled = int(right.int().cumprod(0).sum()) + 1
        usable = int((tokens[:settled] >= 0).int().cumprod(0).sum())
        run = commit(spans, request, tokens[:usable], chances, ends)
        if run:
            first = cells + 1 + (run - 1) * cells
            spans.ids[request, 0] = tokens[run - 1]
            spans.ids[request, 1 : cells + 1] = best[request, first : first + cells].clamp(min=0)
            spans.positions[request] += run
            spans.starts[request] += run

"""What both kinds of step do with tokens that are settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.spans import Spans


def commit(spans: Spans, request: int, tokens: Tensor, logprobs: Tensor, ends: Tensor) -> int:
    """Append tokens up to the first that ends the text, as far as there is room.

    Returns:
        How many were appended; with none of them the span is done.
    """
    length, room = int(spans.lengths[request]), spans.tokens.shape[1]
    tokens = tokens[: room - length]
    ended = torch.isin(tokens, ends).nonzero()
    run = int(ended[0]) + 1 if len(ended) else len(tokens)
    spans.tokens[request, length : length + run] = tokens[:run]
    spans.logprobs[request, length : length + run] = logprobs[:run]
    spans.lengths[request] = length + run
    spans.done[request] = int(bool(len(ended)) or run == 0 or length + run == room)
    return run

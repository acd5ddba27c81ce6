"""Twin of `device.attention`: request by request, the pages gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.rows import Batch


def attend(query: Tensor, keys: Tensor, values: Tensor, batch: Batch) -> Tensor:
    """See `midspan_kernels.attention.attend`."""
    result = torch.zeros_like(query)
    firsts, starts = batch.firsts.tolist(), batch.starts.tolist()
    for request, start in enumerate(starts):
        here = slice(firsts[request], firsts[request + 1])
        places = torch.arange(start + here.stop - here.start, device=query.device)
        result[here] = _one(
            query[here],
            gather(keys, batch.pages[request], places),
            gather(values, batch.pages[request], places),
            visible(batch.behind[here], start),
        )
    return result


def gather(cache: Tensor, pages: Tensor, places: Tensor) -> Tensor:
    """What lies at `places` of one request, `[places, key heads, head]`."""
    size = cache.shape[2]
    return cache[pages[places // size].long(), :, places % size]


def visible(behind: Tensor, start: int) -> Tensor:
    """Which places each row of one request sees, bool `[rows, start + rows]`."""
    index = torch.arange(len(behind), device=behind.device)
    block = behind >= 0
    limit = torch.where(block, behind, index)
    past = ~block[None, :] & (index[None, :] <= limit[:, None])
    together = block[:, None] & (behind[:, None] == behind[None, :])
    return torch.nn.functional.pad(past | together, (start, 0), value=True)


def _one(query: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
    group = query.shape[1] // keys.shape[1]
    keys = keys.float().repeat_interleave(group, 1)
    values = values.float().repeat_interleave(group, 1)
    scores = torch.einsum("rhd,phd->hrp", query.float(), keys) * query.shape[-1] ** -0.5
    shares = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    return torch.einsum("hrp,phd->rhd", shares, values).to(query.dtype)

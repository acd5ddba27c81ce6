"""Twin of `device.rope`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def rotate_into_cache(
    mixed: Tensor,
    angles: Tensor,
    positions: Tensor,
    lines: Tensor,
    keys: Tensor,
    values: Tensor,
) -> Tensor:
    """See `midspan_kernels.rope.rotate_into_cache`."""
    key_heads, size = keys.shape[1], keys.shape[2]
    heads = mixed.shape[1] - 2 * key_heads
    cosines, sines = angles[:, positions.long(), None]
    query, key, value = mixed[:, :heads], mixed[:, heads:-key_heads], mixed[:, -key_heads:]
    kept = lines >= 0
    page, place = lines[kept].long() // size, lines[kept].long() % size
    keys[page, :, place] = rotate(key, cosines, sines)[kept]
    values[page, :, place] = value[kept]
    return rotate(query, cosines, sines)


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn `[…, head]`; angles are `[…, head / 2]`."""
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.cat([first * cosines - second * sines, second * cosines + first * sines], -1)
    return turned.to(x.dtype)


def move(cache: Tensor, pages: Tensor, moves: Tensor, turns: Tensor) -> None:
    """See `midspan_kernels.rope.move`."""
    size = cache.shape[4]
    for request, (first, count, distance) in enumerate(moves.tolist()):
        if not count:
            continue
        source = torch.arange(first, first + count, device=cache.device)
        target = source + distance
        mine = pages[request].long()
        lifted = cache[:, :, mine[source // size], :, source % size].clone()
        # Two lists index first: [places, layers, 2, key heads, head].
        lifted[:, :, 0] = rotate(lifted[:, :, 0], turns[0, request], turns[1, request])
        cache[:, :, mine[target // size], :, target % size] = lifted

"""Rotary positions: rotate and write the cache in one; turn cached keys to where they now stand.

Source: RoPE (Su et al. 2021, arXiv 2104.09864; halves paired, as in Qwen2); fused rotation and
cache write as in FlashInfer and vLLM; turning cached keys is midspan_engine.runtime.blocks, `put`.

Bytes of `rotate_into_cache`: `rows * (heads + 2 key heads) * head * 2` read and written once, and
256 bytes of angles a row (head 64). Separate operations read and write queries and keys again for
each of five steps, and launch six times in each of 24 layers.

Why it stays: torch.compile rotates in one kernel but writes a paged cache by an indexed copy of its
own: 2 more launches a layer, about 50 us of a pass whose weights take 300, and keys and values
written and read once more. FlashInfer rotates and appends in two calls.

Bytes of `move`: `places * layers * key heads * head * 2`, keys and values each read and written
once: 12 MB for 500 places of the 0.5B. Why it stays: source and target overlap, so torch needs a
copy in between (twice the bytes), and no library turns keys that are in a cache already. The engine
does not call it: between `lift` and `put` of a block pool a pass writes over the source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from midspan_kernels.capability import backend
from midspan_kernels.checks import FLOATS, INTEGERS, check_device, check_dtype, check_shape

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
    """Rotate queries and keys, and write keys and values to their pages.

    Args:
        mixed: Projected queries, keys and values, `[rows, heads + 2 key heads, head]`.
        angles: Cosines, then sines of every position, float32 `[2, positions, head / 2]`.
        positions: Of each row in the text, int32 `[rows]`.
        lines: Where each row goes, `page * places a page + place`, int32 `[rows]`; -1: nowhere.
        keys: One layer, `[pages, key heads, places a page, head]`; changed in place.
        values: Likewise.

    Returns:
        Rotated queries `[rows, heads, head]`.

    Raises:
        ValueError: a shape, dtype or device does not fit.
    """
    check_shape("mixed", mixed, (None, None, None))
    check_dtype("mixed", mixed, FLOATS)
    rows, all_heads, size = mixed.shape
    check_shape("keys", keys, (None, None, None, size))
    check_shape("values", values, tuple(keys.shape))
    check_dtype("keys", keys, (mixed.dtype,))
    check_dtype("values", values, (mixed.dtype,))
    check_shape("angles", angles, (2, None, size // 2))
    check_dtype("angles", angles, (torch.float32,))
    _check_rows(rows, positions=positions, lines=lines)
    if all_heads <= 2 * keys.shape[1]:
        raise ValueError(
            f"mixed must hold query heads before {keys.shape[1]} key and value heads; it has "
            f"{all_heads} heads in all"
        )
    check_device(mixed=mixed, angles=angles, positions=positions, lines=lines, keys=keys)
    rotated: Tensor = backend("rope", mixed).rotate_into_cache(
        mixed, angles, positions, lines, keys, values
    )
    return rotated


def move(cache: Tensor, pages: Tensor, moves: Tensor, turns: Tensor) -> None:
    """Move cached places of each request within its pages and turn their keys by the distance.

    Each move rounds the keys again; encode them anew after about eight.

    Args:
        cache: `[layers, 2, pages, key heads, places a page, head]`, keys then values; changed in
            place.
        pages: Pages of each request, int32 `[requests, pages a request]`; all its own.
        moves: First place, count and distance (either sign) of each request, int32
            `[requests, 3]`; a count of 0 leaves a request alone.
        turns: Cosines, then sines of each request's distance, float32 `[2, requests, head / 2]`.

    Raises:
        ValueError: a shape, dtype or device does not fit.
    """
    check_shape("cache", cache, (None, 2, None, None, None, None))
    check_dtype("cache", cache, FLOATS)
    check_shape("pages", pages, (None, None))
    check_shape("moves", moves, (pages.shape[0], 3))
    check_shape("turns", turns, (2, pages.shape[0], cache.shape[-1] // 2))
    check_dtype("turns", turns, (torch.float32,))
    for name, tensor in (("pages", pages), ("moves", moves)):
        check_dtype(name, tensor, INTEGERS)
    check_device(cache=cache, pages=pages, moves=moves, turns=turns)
    backend("rope", cache).move(cache, pages, moves, turns)


def _check_rows(rows: int, **tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        check_shape(name, tensor, (rows,))
        check_dtype(name, tensor, INTEGERS)


def rotary_table(positions: Tensor, size: int, base: float) -> Tensor:
    """Cosines and sines of positions, float32 `[2, positions, size / 2]`, rounded once."""
    exponents = torch.arange(0, size, 2, dtype=torch.float64, device=positions.device) / size
    angles = positions.double()[:, None] / base**exponents
    return torch.stack([angles.cos(), angles.sin()]).float()

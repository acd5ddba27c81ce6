"""One program rotates a row; one program walks through a request's places of a layer and head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from midspan_kernels.variants import OPTIONS, Variant

if TYPE_CHECKING:
    from torch import Tensor

_PLACES = 64


@triton.jit
def _rotated(
    first: tl.tensor, second: tl.tensor, cosine: tl.tensor, sine: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    first, second = first.to(tl.float32), second.to(tl.float32)
    return first * cosine - second * sine, second * cosine + first * sine


@triton.jit
def rotate_row(
    mixed: tl.tensor,
    angles: tl.tensor,
    positions: tl.tensor,
    lines: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    query: tl.tensor,
    n_positions: tl.int32,
    HEADS: tl.constexpr,
    KEY_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    PAGE: tl.constexpr,
    BLOCK_H: tl.constexpr,
) -> None:
    """Rotate queries and keys of one row; keys and values go to the cache."""
    row = tl.program_id(0)
    line = tl.load(lines + row).to(tl.int64)
    h = tl.arange(0, BLOCK_H)[:, None]
    d = tl.arange(0, HALF)[None, :]
    angle = angles + tl.load(positions + row) * HALF + d
    cosine, sine = tl.load(angle), tl.load(angle + n_positions * HALF)

    source = mixed + row * (HEADS + 2 * KEY_HEADS) * 2 * HALF + h * 2 * HALF + d
    first = tl.load(source, mask=h < HEADS + 2 * KEY_HEADS, other=0.0)
    second = tl.load(source + HALF, mask=h < HEADS + 2 * KEY_HEADS, other=0.0)
    turned_first, turned_second = _rotated(first, second, cosine, sine)

    kind = query.dtype.element_ty
    target = query + row * HEADS * 2 * HALF + h * 2 * HALF + d
    tl.store(target, turned_first.to(kind), mask=h < HEADS)
    tl.store(target + HALF, turned_second.to(kind), mask=h < HEADS)

    if line >= 0:
        place = ((line // PAGE) * KEY_HEADS + h - HEADS) * PAGE + line % PAGE
        is_key = (h >= HEADS) & (h < HEADS + KEY_HEADS)
        tl.store(keys + place * 2 * HALF + d, turned_first.to(kind), mask=is_key)
        tl.store(keys + place * 2 * HALF + HALF + d, turned_second.to(kind), mask=is_key)
        place -= KEY_HEADS * PAGE
        is_value = (h >= HEADS + KEY_HEADS) & (h < HEADS + 2 * KEY_HEADS)
        tl.store(values + place * 2 * HALF + d, first, mask=is_value)
        tl.store(values + place * 2 * HALF + HALF + d, second, mask=is_value)


@triton.jit
def _line(
    pages: tl.tensor, places: tl.tensor, there: tl.tensor, PAGE: tl.constexpr
) -> tuple[tl.tensor, tl.tensor]:
    page = tl.load(pages + places // PAGE, mask=there, other=0).to(tl.int64)
    return page, places % PAGE


@triton.jit
def move_places(
    cache: tl.tensor,
    pages: tl.tensor,
    moves: tl.tensor,
    turns: tl.tensor,
    pages_each: tl.int32,
    n_pages: tl.int32,
    KEY_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    PAGE: tl.constexpr,
    BLOCK_P: tl.constexpr,
) -> None:
    """Move one request's places in one layer and head, keys or values.

    Tiles go from the side that the move leads to, and each is read whole before it is written, so
    that nothing is read after it was overwritten.
    """
    request = tl.program_id(0)
    head = tl.program_id(1) % KEY_HEADS
    plane = tl.program_id(1) // KEY_HEADS  # 2 * layer, and 1 more for values
    first = tl.load(moves + 3 * request)
    count = tl.load(moves + 3 * request + 1)
    distance = tl.load(moves + 3 * request + 2)
    d = tl.arange(0, HALF)[None, :]
    angle = turns + request * HALF + d
    cosine, sine = tl.load(angle), tl.load(angle + tl.num_programs(0) * HALF)
    cosine = tl.where(plane % 2 == 0, cosine, 1.0)  # values are not turned
    sine = tl.where(plane % 2 == 0, sine, 0.0)
    base = cache + (plane.to(tl.int64) * n_pages * KEY_HEADS + head) * PAGE * 2 * HALF
    tiles = tl.cdiv(count, BLOCK_P)
    for step in range(tiles):
        tile = tl.where(distance > 0, tiles - 1 - step, step)
        places = tile * BLOCK_P + tl.arange(0, BLOCK_P)
        there = places < count
        page, place = _line(pages + request * pages_each, first + places, there, PAGE)
        source = base + ((page * KEY_HEADS * PAGE + place) * 2 * HALF)[:, None] + d
        left = tl.load(source, mask=there[:, None], other=0.0)
        right = tl.load(source + HALF, mask=there[:, None], other=0.0)
        turned_left, turned_right = _rotated(left, right, cosine, sine)
        target_places = first + distance + places
        page, place = _line(pages + request * pages_each, target_places, there, PAGE)
        target = base + ((page * KEY_HEADS * PAGE + place) * 2 * HALF)[:, None] + d
        tl.debug_barrier()  # all threads have read
        tl.store(target, turned_left.to(left.dtype), mask=there[:, None])
        tl.store(target + HALF, turned_right.to(left.dtype), mask=there[:, None])
        tl.debug_barrier()


def rotate_into_cache(
    mixed: Tensor,
    angles: Tensor,
    positions: Tensor,
    lines: Tensor,
    keys: Tensor,
    values: Tensor,
) -> Tensor:
    """See `midspan_kernels.rope.rotate_into_cache`."""
    rows, all_heads, size = mixed.shape
    key_heads, page = keys.shape[1], keys.shape[2]
    heads = all_heads - 2 * key_heads
    query = mixed.new_empty((rows, heads, size))
    rotate_row[rows,](
        mixed, angles, positions, lines, keys, values, query, angles.shape[1],
        heads, key_heads, size // 2, page, triton.next_power_of_2(all_heads), **OPTIONS,
    )  # fmt: skip
    return query


def move(cache: Tensor, pages: Tensor, moves: Tensor, turns: Tensor) -> None:
    """See `midspan_kernels.rope.move`."""
    layers, _, n_pages, key_heads, page, size = cache.shape
    move_places[pages.shape[0], layers * 2 * key_heads](
        cache, pages, moves, turns, pages.shape[1], n_pages,
        key_heads, size // 2, page, _PLACES, num_stages=1, **OPTIONS,
    )  # fmt: skip


def variants() -> list[Variant]:
    """Heads of 0.5B, 1.5B and 7B."""
    rotate = {
        "mixed": "*bf16", "angles": "*fp32", "positions": "*i32", "lines": "*i32",
        "keys": "*bf16", "values": "*bf16", "query": "*bf16", "n_positions": "i32",
    }  # fmt: skip
    moved = {
        "cache": "*bf16", "pages": "*i32", "moves": "*i32", "turns": "*fp32",
        "pages_each": "i32", "n_pages": "i32",
    }  # fmt: skip
    found = []
    for heads, key_heads, size in ((14, 2, 64), (12, 2, 128), (28, 4, 128)):
        sizes = {"KEY_HEADS": key_heads, "HALF": size // 2, "PAGE": 32}
        block = 1 << (heads + 2 * key_heads - 1).bit_length()
        row = {"HEADS": heads, **sizes, "BLOCK_H": block}
        found += [
            Variant(f"rope_{heads}x{size}", rotate_row, rotate, row),
            Variant(
                f"move_{key_heads}x{size}_of_{heads}",
                move_places, moved, {**sizes, "BLOCK_P": _PLACES}, stages=1,
            ),
        ]  # fmt: skip
    return found

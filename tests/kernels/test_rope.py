"""Rotary positions: kernels against their twins, twins against the engine's cache."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_engine.runtime import blocks
from midspan_kernels import rope
from midspan_kernels.reference import rope as reference
from midspan_kernels.tolerances import worst

KINDS = [torch.float32, torch.bfloat16, torch.float16]
BASE = 1e6


def written(kind: torch.dtype, rows: int, heads: int, key_heads: int, size: int) -> float:
    """Largest error of everything that one call returns and writes."""
    make = torch.Generator().manual_seed(rows)
    mixed = torch.randn(rows, heads + 2 * key_heads, size, generator=make).to(kind)
    angles = rope.rotary_table(torch.arange(200), size, BASE)
    positions = torch.randint(0, 200, (rows,), generator=make).int()
    lines = torch.randperm(64, generator=make)[:rows].int()
    lines[0] = -1
    caches = [torch.zeros(8, key_heads, 8, size, dtype=kind) for _ in range(4)]
    query = rope.rotate_into_cache(mixed, angles, positions, lines, *caches[:2])
    twin = reference.rotate_into_cache(mixed, angles, positions, lines, *caches[2:])
    pairs = [(query, twin), (caches[0], caches[2]), (caches[1], caches[3])]
    return max(worst("rope", got, wanted, kind) for got, wanted in pairs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(1, 1, 1, 16), (5, 14, 2, 64), (33, 6, 1, 32)])
def test_rotating_agrees_with_the_twin(kind: torch.dtype, sizes: tuple[int, int, int, int]) -> None:
    pytest.importorskip("triton")
    assert written(kind, *sizes) <= 1


def test_a_row_without_a_line_is_not_written() -> None:
    keys = torch.zeros(2, 1, 4, 16)
    angles = rope.rotary_table(torch.arange(4), 16, BASE)
    nowhere = torch.tensor([-1]).int()
    rope.rotate_into_cache(
        torch.ones(1, 3, 16), angles, torch.tensor([2]).int(), nowhere, keys, keys.clone()
    )
    assert not keys.any()


def moved(kind: torch.dtype, moves: list[tuple[int, int, int]], page: int) -> float:
    make = torch.Generator().manual_seed(len(moves))
    each = -(-300 // page)
    pages = torch.randperm(each * len(moves), generator=make).int().view(len(moves), each)
    cache = torch.randn(2, 2, each * len(moves), 2, page, 16, generator=make).to(kind)
    table = torch.tensor(moves).int()
    turns = rope.rotary_table(table[:, 2], 16, BASE)
    twin = cache.clone()
    rope.move(cache, pages, table, turns)
    reference.move(twin, pages, table, turns)
    return worst("rope", cache, twin, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_moving_agrees_with_the_twin_whatever_overlaps(kind: torch.dtype) -> None:
    pytest.importorskip("triton")
    assert moved(kind, [(5, 200, 3), (50, 150, -7), (0, 100, 150), (9, 0, 4)], 16) <= 1


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(60, 100), st.integers(0, 140), st.integers(-60, 60)),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([4, 32]),
)
def test_any_move_agrees(moves: list[tuple[int, int, int]], page: int) -> None:
    pytest.importorskip("triton")
    assert moved(torch.float32, moves, page) <= 1


def test_a_moved_key_is_the_key_encoded_there() -> None:
    key = torch.randn(1, 1, 32)
    table = rope.rotary_table(torch.arange(50), 32, BASE)
    here = reference.rotate(key, table[0, 10, None], table[1, 10, None])
    turn = rope.rotary_table(torch.tensor([7]), 32, BASE)
    torch.testing.assert_close(
        reference.rotate(here, turn[0], turn[1]),
        reference.rotate(key, table[0, 17, None], table[1, 17, None]),
    )


def test_the_twin_moves_as_the_engine_does() -> None:
    cache = torch.randn(3, 2, 12, 2, blocks.BLOCK, 16)
    pool = blocks.BlockPool(cache.clone(), BASE)
    sequence = blocks.CachedSequence()
    pool.reserve(sequence, 300)
    pages = torch.tensor([sequence.blocks]).int()
    pool.put(sequence, 25, pool.lift(sequence, 20, 250))
    turns = rope.rotary_table(torch.tensor([5]), 16, BASE)
    reference.move(cache, pages, torch.tensor([[20, 250, 5]]).int(), turns)
    torch.testing.assert_close(cache, pool.storage)


def test_what_does_not_fit_is_refused() -> None:
    angles = rope.rotary_table(torch.arange(4), 16, BASE)
    row = torch.zeros(1).int()
    keys = torch.zeros(2, 2, 4, 16)
    with pytest.raises(ValueError, match="query heads before 2 key"):
        rope.rotate_into_cache(torch.ones(1, 4, 16), angles, row, row, keys, keys)
    with pytest.raises(ValueError, match="positions must be int32"):
        rope.rotate_into_cache(torch.ones(1, 5, 16), angles, row.long(), row, keys, keys)
    with pytest.raises(ValueError, match=r"moves must be \[1, 3\]"):
        rope.move(torch.zeros(1, 2, 2, 1, 4, 16), row[None], row[None], angles[:, :1].contiguous())

"""Blocks are shared until written, given back when released, and keys turn with their place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.runtime.blocks import BLOCK, BlockPool, CachedSequence, OutOfBlocks
from midspan_engine.runtime.rows import rotary_angles

THETA = 10000.0


def make_pool(blocks: int = 8) -> BlockPool:
    return BlockPool(np.zeros((2, 2, blocks, 1, BLOCK, 16), np.float32), THETA)


def fill(pool: BlockPool, sequence: CachedSequence, length: int, value: float) -> None:
    pool.reserve(sequence, length)
    for position in range(sequence.length, length):
        block = sequence.blocks[position // BLOCK]
        pool.storage[:, :, block, :, position % BLOCK] = value
    sequence.length = length


def read(pool: BlockPool, sequence: CachedSequence, position: int) -> float:
    block = sequence.blocks[position // BLOCK]
    return float(pool.storage[0, 1, block, 0, position % BLOCK, 0])


def test_a_reservation_that_does_not_fit_takes_nothing() -> None:
    pool = make_pool(blocks=2)
    sequence = CachedSequence()
    with pytest.raises(OutOfBlocks, match="3 blocks are needed and 2 are free"):
        pool.reserve(sequence, 2 * BLOCK + 1)
    assert pool.free_blocks == 2
    assert sequence.blocks == []


def test_a_fork_shares_blocks_until_one_side_writes() -> None:
    pool = make_pool()
    first = CachedSequence()
    fill(pool, first, BLOCK + 5, 1.0)
    free = pool.free_blocks
    twin = pool.fork(first)
    assert pool.free_blocks == free
    fill(pool, twin, BLOCK + 9, 2.0)
    assert pool.free_blocks == free - 1, "only the block that was written is copied"
    assert read(pool, twin, BLOCK + 4) == 1.0
    assert read(pool, twin, BLOCK + 6) == 2.0
    fill(pool, first, BLOCK + 9, 3.0)
    assert read(pool, twin, BLOCK + 6) == 2.0
    assert twin.blocks[0] == first.blocks[0]


def test_everything_is_free_again_after_release() -> None:
    pool = make_pool()
    first = CachedSequence()
    fill(pool, first, 3 * BLOCK, 1.0)
    twin = pool.fork(first)
    pool.release(first)
    assert pool.free_blocks == 5
    pool.release(twin)
    assert pool.free_blocks == 8


def test_trim_gives_back_only_blocks_beyond_the_length() -> None:
    pool = make_pool()
    sequence = CachedSequence()
    fill(pool, sequence, 3 * BLOCK, 1.0)
    sequence.length = BLOCK + 1
    pool.trim(sequence)
    assert len(sequence.blocks) == 2
    assert pool.free_blocks == 6


def turn(keys: np.ndarray, positions: np.ndarray) -> np.ndarray:
    cosine, sine = rotary_angles(positions, keys.shape[-1], THETA)
    half = keys.shape[-1] // 2
    turned = np.concatenate([-keys[:, half:], keys[:, :half]], axis=1)
    return keys * cosine + turned * sine


@given(st.integers(0, 100), st.integers(-40, 40), st.integers(1, 40))
def test_a_moved_key_equals_one_made_at_its_new_place(
    source: int, distance: int, count: int
) -> None:
    target = max(0, source + distance)
    pool = make_pool()
    sequence = CachedSequence()
    pool.reserve(sequence, max(source, target) + count)
    raw = np.random.default_rng(0).standard_normal((count, 16)).astype(np.float32)
    places, slots = pool.places(sequence, source, count)
    pool.storage[0, 0, places, 0, slots] = turn(raw, np.arange(source, source + count))
    pool.storage[0, 1, places, 0, slots] = raw
    pool.put(sequence, target, pool.lift(sequence, source, count))
    places, slots = pool.places(sequence, target, count)
    expected = turn(raw, np.arange(target, target + count))
    np.testing.assert_allclose(pool.storage[0, 0, places, 0, slots], expected, atol=2e-4)
    np.testing.assert_array_equal(pool.storage[0, 1, places, 0, slots], raw)


def test_keys_stored_in_bf16_are_turned_in_float32_and_rounded_once() -> None:
    exact = torch.randn((1, 2, 2, 1, BLOCK, 16), generator=torch.Generator().manual_seed(4))
    found = []
    for storage in (exact.bfloat16(), exact.bfloat16().float()):
        pool = BlockPool(storage, THETA)
        sequence = CachedSequence()
        pool.reserve(sequence, 2 * BLOCK)
        pool.put(sequence, 7, pool.lift(sequence, 3, 40))
        found.append(storage)
    assert torch.equal(found[0], found[1].bfloat16())

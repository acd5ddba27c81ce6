"""Passes are cut into pieces and padded to buckets, and nothing of them is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.runtime.blocks import BLOCK, CachedSequence
from midspan_engine.runtime.kernel_buckets import NOWHERE, Bucket, Ladder, length, pack, views
from midspan_engine.runtime.kernel_rows import PIECE, PassRows
from midspan_engine.runtime.rows import RowGroup
from midspan_kernels.attention import MOST_ROWS
from midspan_kernels.spans import MASK

GROUPS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 150), st.lists(st.integers(0, 9), max_size=9)),
    min_size=1,
    max_size=4,
)
"""Of each group: its start, its causal rows, the sizes of the blocks behind the last of them."""
Sizes = list[tuple[int, int, list[int]]]


def make_groups(sizes: Sizes) -> list[RowGroup]:
    groups = []
    for number, (start, causal, shape) in enumerate(sizes):
        sequence = CachedSequence()
        blocks = np.repeat(range(causal - len(shape[:causal]), causal), shape[:causal])
        rows = causal + len(blocks)
        sequence.blocks = [number * 100 + index for index in range((start + rows) // BLOCK + 1)]
        groups.append(
            RowGroup(
                sequence=sequence,
                start=start,
                ids=np.arange(rows, dtype=np.int32),
                masked=np.arange(rows) >= causal,
                behind=np.concatenate([np.full(causal, -1), blocks]).astype(np.int32),
                wanted=np.array([causal - 1], np.int32),
            )
        )
    return groups


def seen_by(rows: PassRows) -> list[set[tuple[int, int]]]:
    """Which `(block, slot)` each row attends to, as `midspan_kernels.rows.Batch` says it."""
    seen = []
    first = 0
    for piece in rows.pieces:
        behind = rows.behind[first : first + piece.rows]
        for row, mine in enumerate(behind):
            limit = row if mine < 0 else mine
            own = [
                other
                for other, theirs in enumerate(behind)
                if (theirs < 0 and other <= limit) or (mine >= 0 and theirs == mine)
            ]
            places = [*range(piece.start), *(piece.start + other for other in own)]
            seen.append({(piece.blocks[place // BLOCK], place % BLOCK) for place in places})
        first += piece.rows
    return seen


@given(sizes=GROUPS)
def test_pieces_see_what_their_group_sees(sizes: Sizes) -> None:
    groups = make_groups(sizes)
    found = iter(seen_by(PassRows.of(groups)))
    for group in groups:
        for visible in group.visible():
            places = [*range(group.start), *(group.start + np.flatnonzero(visible))]
            blocks = group.sequence.blocks
            assert next(found) == {(blocks[at // BLOCK], at % BLOCK) for at in places}
    assert next(found, None) is None


@given(sizes=GROUPS)
def test_a_packed_pass_holds_every_row_and_padding_writes_nowhere(sizes: Sizes) -> None:
    groups = make_groups(sizes)
    rows = PassRows.of(groups)
    bucket = Ladder(places=64).bucket(rows)
    assert bucket.rows >= rows.rows
    assert bucket.places >= rows.longest
    assert rows.most_rows <= bucket.most_rows <= MOST_ROWS
    packed = pack(rows, bucket)
    assert packed.shape == (length(bucket),)
    parts = views(packed, bucket)
    np.testing.assert_array_equal(
        parts["ids"][: rows.rows],
        np.concatenate([np.where(group.masked, MASK, group.ids) for group in groups]),
    )
    np.testing.assert_array_equal(
        parts["positions"][: rows.rows], np.concatenate([group.positions for group in groups])
    )
    assert len(set(parts["lines"][: rows.rows].tolist())) == rows.rows
    assert (parts["lines"][rows.rows :] == NOWHERE).all()
    assert (np.diff(parts["firsts"]) >= 0).all()
    assert parts["firsts"][-1] == rows.rows
    assert (parts["behind"] >= 0).any() == bucket.adapted
    ids = np.concatenate([group.ids[group.wanted] for group in groups])
    np.testing.assert_array_equal(parts["ids"][rows.wanted], ids)


@pytest.mark.parametrize(
    ("causal", "pieces", "bucket"),
    [
        (1, 1, Bucket(rows=4, pieces=1, places=2048, most_rows=16, adapted=False)),
        (64, 1, Bucket(rows=64, pieces=1, places=2048, most_rows=64, adapted=False)),
        (65, 2, Bucket(rows=128, pieces=2, places=2048, most_rows=64, adapted=False)),
        (256, 4, Bucket(rows=256, pieces=4, places=2048, most_rows=64, adapted=False)),
    ],
)
def test_long_runs_are_cut_so_that_early_rows_read_little(
    causal: int, pieces: int, bucket: Bucket
) -> None:
    rows = PassRows.of(make_groups([(30, causal, [])]))
    assert len(rows.pieces) == pieces
    assert Ladder().bucket(rows) == bucket
    assert bucket in Ladder().usual(adapted=False)


def test_a_pass_beyond_all_buckets_runs_as_it_is() -> None:
    rows = PassRows.of(make_groups([(0, 300, [])]))
    bucket = Ladder().bucket(rows)
    assert not bucket.recurs
    assert (bucket.rows, bucket.pieces, bucket.places) == (300, 5, 320)


def test_a_longer_context_takes_a_larger_bucket() -> None:
    rows = PassRows.of(make_groups([(5_000, 3, [2, 2])]))
    assert Ladder().bucket(rows).places == 8192


def test_blocks_beyond_a_piece_stay_with_their_row() -> None:
    rows = PassRows.of(make_groups([(0, 150, [9] * 9)]))
    assert [piece.rows for piece in rows.pieces] == [PIECE, PIECE, 22 + 81]
    assert Ladder().bucket(rows).most_rows == 256


def test_tensors_begin_at_multiples_of_16_bytes() -> None:
    bucket = Bucket(rows=5, pieces=3, places=64, most_rows=5, adapted=True)
    buffer = np.zeros(length(bucket), np.int32)
    for part in views(buffer, bucket).values():
        assert (part.ctypes.data - buffer.ctypes.data) % 16 == 0

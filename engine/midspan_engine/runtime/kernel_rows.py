"""Rows of a pass as the kernels take them: pieces of groups, and where each row's key goes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.runtime.blocks import BLOCK
from midspan_kernels.spans import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from midspan_engine.runtime.rows import RowGroup

PIECE = 64
"""Causal rows that attend together; more would read many places that the first of them may not
see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows that follow each other in one sequence.

    A group of many causal rows is several pieces: all keys of a pass are written before any row
    attends, so a later piece finds those of an earlier one in the cache.

    Attributes:
        start: Place of its first row; every place before it is seen.
        rows: How many it has.
        blocks: That hold its places, its rows included.
    """

    start: int
    rows: int
    blocks: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRows:
    """Everything that one pass needs to know, still on the host.

    Attributes:
        ids: Token ids, `MASK` where the mask embedding goes `[rows]`.
        positions: In the text `[rows]`.
        behind: -1 for causal rows, else the row of its piece that a block row stands behind
            `[rows]`.
        lines: `block * BLOCK + slot` that takes the row's key and value `[rows]`.
        wanted: Rows whose scores are read, group by group.
        pieces: In the order of the rows.
    """

    ids: NDArray[np.int32]
    positions: NDArray[np.int32]
    behind: NDArray[np.int32]
    lines: NDArray[np.int32]
    wanted: NDArray[np.int32]
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, groups: Sequence[RowGroup]) -> PassRows:
        """Lay the groups one behind the other."""
        cuts = [_cuts(group) for group in groups]
        firsts = np.cumsum([0, *(group.rows for group in groups)])
        return cls(
            ids=_joined(np.where(group.masked, MASK, group.ids) for group in groups),
            positions=_joined(group.positions for group in groups),
            behind=_joined(
                np.where(group.block, group.behind - cut[-1], -1)
                for group, cut in zip(groups, cuts, strict=True)
            ),
            lines=_joined(_lines(group) for group in groups),
            wanted=_joined(
                group.wanted + first for group, first in zip(groups, firsts, strict=False)
            ),
            pieces=tuple(
                _piece(group, first, last)
                for group, cut in zip(groups, cuts, strict=True)
                for first, last in pairwise([*cut, group.rows])
            ),
        )

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.ids)

    @property
    def most_rows(self) -> int:
        """Of one piece."""
        return max((piece.rows for piece in self.pieces), default=1)

    @property
    def longest(self) -> int:
        """Places of the longest piece's sequence, its rows included."""
        return max((piece.start + piece.rows for piece in self.pieces), default=1)

    @property
    def adapted(self) -> bool:
        """Whether any row runs on the adapter's weights."""
        return bool((self.behind >= 0).any())


def _cuts(group: RowGroup) -> range:
    """First rows of its pieces: a block and the row that it stands behind stay together."""
    block = group.block
    last = int(group.behind[block].min()) if block.any() else group.rows - 1
    return range(0, last + 1, PIECE)


def _piece(group: RowGroup, first: int, last: int) -> Piece:
    end = group.start + last
    return Piece(
        start=group.start + first,
        rows=last - first,
        blocks=group.sequence.blocks[: -(-end // BLOCK)],
    )


def _lines(group: RowGroup) -> NDArray[np.int64]:
    places = np.arange(group.start, group.start + group.rows)
    lines: NDArray[np.int64] = (
        np.asarray(group.sequence.blocks)[places // BLOCK] * BLOCK + places % BLOCK
    )
    return lines


_NOTHING = np.zeros(0, np.int32)


def _joined(parts: Iterable[NDArray[np.integer]]) -> NDArray[np.int32]:
    return np.concatenate([_NOTHING, *parts], dtype=np.int32, casting="same_kind")

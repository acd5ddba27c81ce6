"""Shapes of passes: a captured graph has one, so passes are padded to the next of a few."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from midspan_engine.runtime.blocks import BLOCK
from midspan_engine.runtime.kernel_rows import PIECE
from midspan_kernels.linear import FEW_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from midspan_engine.runtime.kernel_rows import PassRows

NOWHERE = -1
"""The line of a padding row: its key is not written. It belongs to no piece either, so it attends
to nothing, and nobody reads what comes out of it."""
_ALIGN = 4
"""Values; kernels load 16 bytes at a time where a tensor begins at a multiple of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Sizes that a launch depends on.

    Attributes:
        rows: Of the pass, padding included.
        pieces: Likewise; a padding piece has no rows.
        places: No piece has more, its rows included; a multiple of `BLOCK`.
        most_rows: No piece has more.
        adapted: Whether there are block rows.
        recurs: Whether passes of this shape come again, so that it is worth a graph.
    """

    rows: int
    pieces: int
    places: int
    most_rows: int
    adapted: bool
    recurs: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Which buckets there are; passes beyond the largest run as they are.

    Attributes:
        rows: Ascending; () pads nothing.
        pieces: Ascending.
        places: The smallest; each is twice the one before.
    """

    rows: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256)
    pieces: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    places: int = 2048

    def bucket(self, rows: PassRows) -> Bucket:
        """The smallest that holds a pass."""
        wide = _next(self.rows, rows.rows)
        many = _next(self.pieces, len(rows.pieces))
        if wide is None or many is None:
            return Bucket(
                rows=rows.rows,
                pieces=len(rows.pieces),
                places=-(-rows.longest // BLOCK) * BLOCK,
                most_rows=rows.most_rows,
                adapted=rows.adapted,
                recurs=False,
            )
        places = self.places
        while places < rows.longest:
            places *= 2
        return Bucket(
            rows=wide,
            pieces=many,
            places=places,
            most_rows=_most(wide) if rows.most_rows <= PIECE else wide,
            adapted=rows.adapted,
        )

    def usual(self, *, adapted: bool) -> list[Bucket]:
        """What is captured before anybody asks: short contexts, no large blocks."""
        return [
            Bucket(
                rows=rows,
                pieces=pieces,
                places=self.places,
                most_rows=_most(rows),
                adapted=with_blocks,
            )
            for with_blocks in ((False, True) if adapted else (False,))
            for rows in self.rows
            for pieces in self.pieces
            if pieces <= rows <= pieces * PIECE
        ]


def views(buffer: Any, bucket: Bucket) -> dict[str, Any]:
    """Parts of one int32 array or tensor, by name: a pass is one copy to the device.

    Returns:
        `ids`, `positions`, `behind` and `lines` `[rows]`, `pages` `[pieces, places / BLOCK]`,
        `starts` `[pieces]` and `firsts` `[pieces + 1]`, see `midspan_kernels.rows.Batch`.
    """
    return {name: buffer[here].reshape(shape) for name, here, shape in _places(bucket)[0]}


def length(bucket: Bucket) -> int:
    """How many values `views` needs."""
    return _places(bucket)[1]


def pack(rows: PassRows, bucket: Bucket) -> NDArray[np.int32]:
    """A pass and its padding, to be read through `views`."""
    buffer = np.zeros(length(bucket), np.int32)
    into = views(buffer, bucket)
    into["behind"][:] = -1
    into["lines"][:] = NOWHERE
    for name in ("ids", "positions", "behind", "lines"):
        into[name][: rows.rows] = getattr(rows, name)
    for index, piece in enumerate(rows.pieces):
        into["pages"][index, : len(piece.blocks)] = piece.blocks
        into["starts"][index] = piece.start
    into["firsts"][:] = rows.rows
    into["firsts"][: len(rows.pieces) + 1] = np.cumsum([0, *(piece.rows for piece in rows.pieces)])
    return buffer


@lru_cache(maxsize=256)
def _places(bucket: Bucket) -> tuple[tuple[tuple[str, slice, tuple[int, ...]], ...], int]:
    """Name, place and shape of each part, and where the last one ends."""
    shapes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(("ids", "positions", "behind", "lines"), (bucket.rows,)),
        "pages": (bucket.pieces, bucket.places // BLOCK),
        "starts": (bucket.pieces,),
        "firsts": (bucket.pieces + 1,),
    }
    found = []
    at = 0
    for name, shape in shapes.items():
        count = prod(shape)
        found.append((name, slice(at, at + count), shape))
        at += -(-count // _ALIGN) * _ALIGN
    return tuple(found), at


def _most(rows: int) -> int:
    """One number for all few rows: attention splits the places by it, and so rounds by it."""
    return min(max(rows, FEW_ROWS), PIECE)


def _next(steps: tuple[int, ...], size: int) -> int | None:
    return next((step for step in steps if step >= size), None)

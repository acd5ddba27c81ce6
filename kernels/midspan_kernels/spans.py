"""Spans being filled, as tensors on the device: what a denoise loop changes between two passes.

Every request has the same number of rows in every pass, so that one captured graph serves the whole
loop. Rows that a request does not need are causal rows behind its others: nobody sees them, and the
next pass writes over their keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from midspan_kernels.checks import INTEGERS, check_dtype, check_shape
from midspan_kernels.rows import Batch

if TYPE_CHECKING:
    from torch import Tensor

MASK = -1
MOST_CELLS = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """One span for each request; a step changes the tensors in place. int32 but for `logprobs`.

    Attributes:
        ids: What stands in each row of the next pass, `MASK` or a token `[requests, rows]`.
        positions: Of each row in the text `[requests, rows]`.
        behind: As in `rows.Batch` `[requests, rows]`.
        wanted: Rows whose scores the step reads, as indices into a request's rows
            `[requests, scores]`.
        starts: Place of the first row `[requests]`.
        leads: How many causal rows hold committed tokens whose keys are missing `[requests]`.
        tokens: Committed ones `[requests, room]`.
        logprobs: Of those, float32 `[requests, room]`.
        lengths: How many are committed `[requests]`.
        done: 1 where a span has ended or is full `[requests]`; a step leaves those alone.
    """

    ids: Tensor
    positions: Tensor
    behind: Tensor
    wanted: Tensor
    starts: Tensor
    leads: Tensor
    tokens: Tensor
    logprobs: Tensor
    lengths: Tensor
    done: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, in the order in which they are declared."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def batch(self, pages: Tensor, longest: int) -> Batch:
        """The rows of the next pass; nothing is copied to the host.

        Args:
            pages: Of each request, int32 `[requests, pages a request]`.
            longest: Places that any request may reach, its rows included.
        """
        requests, rows = self.ids.shape
        firsts = torch.arange(0, requests * rows + 1, rows, dtype=torch.int32, device=pages.device)
        return Batch(
            firsts=firsts,
            starts=self.starts,
            behind=self.behind.view(-1),
            pages=pages,
            most_rows=rows,
            longest=longest,
        )


def masked_spans(first: Tensor, starts: Tensor, *, cells: int, room: int) -> Spans:
    """Spans for `unmask.unmask`: `cells + 1` causal rows, then a block of masks.

    Args:
        first: Token that ends each context, int32 `[requests]`; its key is not in the cache yet.
        starts: Its place, int32 `[requests]`.
        cells: Masks in the block, 1 to 31.
        room: Tokens that a span may have.

    Raises:
        ValueError: a shape, dtype or number does not fit.
    """
    behind = [-1] * (cells + 1) + [0] * cells
    offsets = [*range(cells + 1), *range(1, cells + 1)]
    wanted = [0, *range(cells + 1, 2 * cells + 1)]
    return _spans(first, starts, behind, offsets, wanted, cells, room)


def guessed_spans(first: Tensor, starts: Tensor, *, cells: int, room: int) -> Spans:
    """Spans for `verify.confirm`: the newest token, `cells` guesses, a block behind each of them.

    The first guesses are tokens 0: a wrong guess costs nothing but its row.

    Args:
        first: As in `masked_spans`.
        starts: Likewise.
        cells: Guesses, and masks in a block, 1 to 31.
        room: Tokens that a span may have.

    Raises:
        ValueError: a shape, dtype or number does not fit.
    """
    causal = cells + 1
    behind = [-1] * causal + [row for row in range(causal) for _ in range(cells)]
    offsets = [*range(causal), *(1 + row + c for row in range(causal) for c in range(cells))]
    return _spans(first, starts, behind, offsets, list(range(len(behind))), cells, room)


def _spans(
    first: Tensor,
    starts: Tensor,
    behind: list[int],
    offsets: list[int],
    wanted: list[int],
    cells: int,
    room: int,
) -> Spans:
    check_shape("first", first, (None,))
    requests = first.shape[0]
    check_shape("starts", starts, (requests,))
    check_dtype("first", first, INTEGERS)
    check_dtype("starts", starts, INTEGERS)
    if not 1 <= cells <= MOST_CELLS or room < 1:
        raise ValueError(f"a block has 1 to {MOST_CELLS} cells and a span room for a token")
    rows = len(behind)
    ids = first.new_zeros((requests, rows))
    ids[:, 0] = first
    ids[:, cells + 1 :] = MASK
    return Spans(
        ids=ids,
        positions=starts[:, None] + first.new_tensor(offsets),
        behind=first.new_tensor(behind).repeat(requests, 1),
        wanted=first.new_tensor(wanted).repeat(requests, 1),
        starts=starts.clone(),
        leads=torch.ones_like(starts),
        tokens=first.new_full((requests, room), MASK),
        logprobs=first.new_zeros((requests, room), dtype=torch.float32),
        lengths=torch.zeros_like(starts),
        done=torch.zeros_like(starts),
    )

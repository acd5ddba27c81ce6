"""Rows of many requests in one batch, and the pages that their keys and values lie in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from midspan_kernels.checks import INTEGERS, check_device, check_dtype, check_shape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Which rows belong to which request, and what they see. All tensors are int32.

    Causal rows follow each other from position `starts`; a block row stands behind the causal row
    `behind`, sees the context, the causal rows up to that one, and the rows of its own block in
    both directions. Row `i` of a request has its key at place `starts + i`.

    Attributes:
        firsts: First row of each request, and the number of all rows at the end `[requests + 1]`.
        starts: How many places every row of a request sees `[requests]`.
        behind: -1 for causal ("verify") rows, else the row of the request that a block ("mask")
            row stands behind `[rows]`.
        pages: Which pages hold a request's places, in order `[requests, pages a request]`.
        most_rows: No request has more rows; on the host, for it sizes the launch.
        longest: No request has more places, its new rows included; likewise.
    """

    firsts: Tensor
    starts: Tensor
    behind: Tensor
    pages: Tensor
    most_rows: int
    longest: int

    def lines(self, page: int) -> Tensor:
        """Where each row's key goes, for `rope.rotate_into_cache`, int32 `[rows]`; no host trip.

        Args:
            page: Places in a page.
        """
        row = torch.arange(len(self.behind), dtype=torch.int32, device=self.behind.device)
        owner = torch.searchsorted(self.firsts[1:], row, right=True)
        place = self.starts[owner] + row - self.firsts[owner]
        return self.pages[owner, (place // page).long()] * page + place % page

    def check(self) -> None:
        """Compare shapes and dtypes.

        Raises:
            ValueError: one does not fit.
        """
        requests = self.starts.shape[0]
        for name in ("firsts", "starts", "behind", "pages"):
            check_dtype(name, getattr(self, name), INTEGERS)
        check_shape("starts", self.starts, (None,))
        check_shape("firsts", self.firsts, (requests + 1,))
        check_shape("behind", self.behind, (None,))
        check_shape("pages", self.pages, (requests, None))
        check_device(firsts=self.firsts, starts=self.starts, behind=self.behind, pages=self.pages)
        if self.most_rows < 1 or self.longest < self.most_rows:
            raise ValueError(
                f"longest must count the new rows too; got most_rows={self.most_rows} and "
                f"longest={self.longest}"
            )

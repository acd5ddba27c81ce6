"""The span of a canvas model while it is being filled: it can grow, shrink and be revised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MASK = -1
_MOST_DELETES = 3
_MOST_BANNED = 24


@dataclass(slots=True)
class SpanCell:
    """One place of the span.

    Attributes:
        token: Its id, or `MASK`.
        logprob: Natural log-probability of the token when it was committed.
        belief: Of a mask: what the last pass would have filled in, and its log-probability.
        banned: Tokens that must not be committed here.
        fixed: Part of what the request demands; never masked again.
        last: Log-probabilities of the last pass, kept for policies that ask for stability.
    """

    token: int = MASK
    logprob: float = 0.0
    belief: tuple[int, float] | None = None
    banned: set[int] = field(default_factory=set)
    fixed: bool = False
    last: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one pass decides for some masks.

    Attributes:
        places: Index of each cell among all cells, ascending.
        tokens: What to commit there; `expand` and `delete` of the canvas change its length.
        logprobs: Natural log-probability of each.
    """

    places: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


class SpanCanvas:
    """A span of cells. The only mutable stage on the way of a completion.

    Args:
        masks: How many it begins with.
        most: Cells that it may grow to.
        expand: Token that becomes two masks; None where the model has none.
        delete: Token that takes its cell away; None likewise.
        required: Tokens that have to stand in the span, one run for each demand; they are cells
            from the beginning, with masks on both sides.
    """

    def __init__(
        self,
        masks: int,
        *,
        most: int,
        expand: int | None = None,
        delete: int | None = None,
        required: Sequence[Sequence[int]] = (),
    ) -> None:
        self.most, self.expand, self.delete = most, expand, delete
        self.cells: list[SpanCell] = [SpanCell() for _ in range(masks)]
        for run in required:
            self.cells += [SpanCell(token, fixed=True) for token in run]
            self.cells += [SpanCell() for _ in range(masks)]
        self.closed = False
        """Whether nothing can follow the last cell."""
        self.deletes: list[float] = []
        """Log-probabilities of the cells that were taken away."""

    @property
    def masks(self) -> list[int]:
        """Index of each masked cell."""
        return [index for index, cell in enumerate(self.cells) if cell.token == MASK]

    @property
    def known(self) -> int:
        """Cells before the first mask."""
        return next((i for i, c in enumerate(self.cells) if c.token == MASK), len(self.cells))

    @property
    def tokens(self) -> list[int]:
        """Known tokens, in order."""
        return [cell.token for cell in self.cells if cell.token != MASK]

    @property
    def logprobs(self) -> list[float]:
        """Of the known tokens that were not demanded."""
        return [cell.logprob for cell in self.cells if cell.token != MASK and not cell.fixed]

    @property
    def may_expand(self) -> bool:
        """Whether there is room for one more cell.

        A span that has been too long grows no more: a small network expands a mask and deletes what
        came of it, again and again.
        """
        room = len(self.cells) < self.most and len(self.deletes) < _MOST_DELETES
        return self.expand is not None and room

    @property
    def exhausted(self) -> bool:
        """Whether some place has had too many of its tokens refused."""
        return any(len(cell.banned) > _MOST_BANNED for cell in self.cells)

    def ids(self, mask: int) -> NDArray[np.int32]:
        """Token ids of all cells `[cells]`, `mask` where nothing is known."""
        return np.array([mask if c.token == MASK else c.token for c in self.cells], np.int32)

    def commit(self, step: Step) -> None:
        """Fill the places of a step; a mask that expands is two masks afterwards."""
        found = zip(step.places, step.tokens, step.logprobs, strict=True)
        for place, token, logprob in reversed(list(found)):
            cell = self.cells[place]
            assert cell.token == MASK
            if token == self.expand:
                if self.may_expand:
                    self.cells[place : place + 1] = [SpanCell(), SpanCell()]
            elif token == self.delete:
                del self.cells[place]
                self.deletes.append(logprob)
            else:
                cell.token, cell.logprob, cell.belief = token, logprob, None

    def mask_again(self, places: Iterable[int]) -> None:
        """Forget what stands there; what a request demands stays."""
        for place in places:
            if not self.cells[place].fixed:
                self.cells[place] = SpanCell(banned=self.cells[place].banned)

    def refuse(self, places: Iterable[int]) -> None:
        """Forget what stands there, for good."""
        for place in places:
            cell = self.cells[place]
            if not cell.fixed:
                self.cells[place] = SpanCell(banned={*cell.banned, cell.token})

    def grow(self, masks: int) -> bool:
        """Masks behind the last cell, as far as there is room; whether there was some."""
        room = 0 if self.closed else max(0, self.most - len(self.cells))
        self.cells += [SpanCell() for _ in range(min(masks, room))]
        return room > 0

    def cut(self, place: int) -> None:
        """Drop the cells from `place` on."""
        del self.cells[place:]

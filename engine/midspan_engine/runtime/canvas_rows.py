"""What a runtime of a canvas model computes: spans between a cached prefix and suffix.

Every row attends to every other one, so the keys and values of the context depend on what stands
in the span. They are kept from one pass and used for the next ones (the dual cache of Fast-dLLM,
arXiv 2505.22618), and a pass that refreshes them is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.runtime.rows import PassCount


@dataclass(slots=True, kw_only=True)
class ContextCache:
    """Prefix and suffix of one request, and what the last refreshing pass left of them.

    Attributes:
        prefix: Token ids before the span.
        suffix: Token ids after it.
        layers: Keys and values of prefix and suffix, one pair a layer, as the runtime keeps them.
        span: Rows of the span when they were computed, which the suffix's positions stand behind.
    """

    prefix: NDArray[np.int32]
    suffix: NDArray[np.int32]
    layers: list[tuple[Any, Any]] = field(default_factory=list)
    span: int = 0

    @property
    def length(self) -> int:
        """Tokens of prefix and suffix."""
        return len(self.prefix) + len(self.suffix)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasPass:
    """One pass of one request.

    Attributes:
        context: What stands around the span.
        slots: Token ids of the span's rows, masks included; several slots are alternatives that
            share the context and do not see each other.
        wanted: For each slot, the rows whose logits the caller reads.
        refresh: Run the rows of the context too, with the only slot between them, and keep their
            keys and values. The first pass of a context has to.
        hidden_suffix: The first tokens of the suffix that this pass does not see; the slots may
            carry them as rows of their own.
    """

    context: ContextCache
    slots: tuple[NDArray[np.int32], ...]
    wanted: tuple[NDArray[np.int32], ...]
    refresh: bool = False
    hidden_suffix: int = 0

    @property
    def rows(self) -> int:
        """Rows that the pass computes."""
        context = self.context.length if self.refresh else 0
        return context + sum(len(slot) for slot in self.slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasScores:
    """Logits of the wanted rows of each slot, float32 `[wanted, vocab]`."""

    logits: tuple[NDArray[np.float32], ...]


class CanvasRuntime(Protocol):
    """Runs a canvas model. One pass at a time; not to be shared between threads."""

    name: str
    family: ModelFamily
    count: PassCount

    def forward(self, groups: Sequence[CanvasPass]) -> list[CanvasScores]:
        """Run the passes and return their scores, in order."""
        ...

    def settle(self) -> None:
        """Give back memory that only loading needed."""
        ...


def whole_sequence(one: CanvasPass) -> tuple[NDArray[np.int32], slice]:
    """Prefix, span and suffix as one row of ids, and where the span stands in it."""
    context, span = one.context, one.slots[0]
    start = len(context.prefix)
    ids = np.concatenate([context.prefix, span, context.suffix]).astype(np.int32)
    return ids, slice(start, start + len(span))


def turned_by(one: CanvasPass, slot: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many positions the cached keys of the context have to move for this slot, `[context]`."""
    context = one.context
    moves = np.zeros(context.length, np.int64)
    visible = len(slot) - one.hidden_suffix
    moves[len(context.prefix) :] = visible - context.span
    return moves

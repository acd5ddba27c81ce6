"""What a runtime of a canvas model computes: spans between a cached prefix and suffix.

Every row attends to every other one, so the keys and values of the context depend on what stands
in the span. They are kept from one pass and used for the next ones (the dual cache of Fast-dLLM,
arXiv 2505.22618), and a pass that refreshes them is exact. Those nearest to the span change most
(dKV-Cache, arXiv 2505.15781), so a pass may compute a window of them again beside the span.
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
        near: Tokens of the context on either side of the span that are computed again with each
            slot; what the cache has of them is not read. Not together with `hidden_suffix`.
    """

    context: ContextCache
    slots: tuple[NDArray[np.int32], ...]
    wanted: tuple[NDArray[np.int32], ...]
    refresh: bool = False
    hidden_suffix: int = 0
    near: int = 0

    @property
    def window(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Token ids before and after each slot that are computed with it."""
        prefix, suffix = self.context.prefix, self.context.suffix
        return prefix[max(0, len(prefix) - self.near) :], suffix[: self.near]

    @property
    def rows(self) -> int:
        """Rows that the pass computes."""
        before, after = self.window
        beside = len(before) + len(after)
        context = self.context.length if self.refresh else beside * len(self.slots)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedRows:
    """The rows of a pass that reads the cache.

    Attributes:
        slots: Token ids of each slot with its window.
        wanted: Rows of each whose logits are asked for.
        start: Position of their first row.
        hidden: What is not read of the cached context.
    """

    slots: tuple[NDArray[np.int32], ...]
    wanted: tuple[NDArray[np.int32], ...]
    start: int
    hidden: slice

    @property
    def longest(self) -> int:
        """Rows of the longest slot, to which the others are padded."""
        return max(len(slot) for slot in self.slots)


def cached_rows(one: CanvasPass) -> CachedRows:
    """The slots of a pass between the tokens that are computed with them."""
    before, after = one.window
    end = len(one.context.prefix)
    start = end - len(before)
    return CachedRows(
        slots=tuple(np.concatenate([before, slot, after]) for slot in one.slots),
        wanted=tuple(wanted + np.int32(len(before)) for wanted in one.wanted),
        start=start,
        hidden=slice(start, end + max(len(after), one.hidden_suffix)),
    )

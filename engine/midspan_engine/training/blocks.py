"""Masked blocks for one context: which rows are trained, what they see and what they predict.

A block follows a known token. Row 0 of the block sits on the position after it, and so on; the
shift is kept, so row i predicts the token one place further on. The token of row 0 itself is what
the frozen weights predict from the last known token, and needs no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from midspan_engine.training.spans import Context

MASKED = -1
NO_TEACHER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """All block rows of one context, flat; every array is `[rows]`."""

    inputs: np.ndarray
    """int64: `MASKED`, or the id of a token known inside the block."""
    positions: np.ndarray
    """int64, contiguous after the last context token that the block sees."""
    blocks: np.ndarray
    """int64: rows of one block see each other in both directions."""
    seen: np.ndarray
    """int64: how many context tokens the row sees."""
    depths: np.ndarray
    """int64: index of the row in its block."""
    targets: np.ndarray
    """int64: id to predict."""
    teacher_rows: np.ndarray
    """int64: context row whose frozen prediction is the same token, or `NO_TEACHER`."""
    weights: np.ndarray
    """float32: weight in the loss; 0 where the predicted position is not masked."""

    def groups(self, count: int) -> np.ndarray:
        """Row indices `[at most count, longest]`, whole blocks in order, filled with `rows`."""
        total = len(self.inputs)
        begins = np.flatnonzero(self.depths == 0)
        ideal = np.linspace(0, total, count + 1)[:-1]
        cuts = np.unique(begins[np.searchsorted(begins, ideal).clip(max=len(begins) - 1)])
        ends = np.append(cuts[1:], total)
        filled = np.full((len(cuts), int((ends - cuts).max())), total)
        for index, (begin, end) in enumerate(zip(cuts, ends, strict=True)):
            filled[index, : end - begin] = np.arange(begin, end)
        return filled

    def attention(self, groups: np.ndarray, context_length: int) -> np.ndarray:
        """Bool `[groups, longest, context_length + longest]`: True where a row may attend."""
        seen = np.append(self.seen, 0)[groups]
        blocks = np.append(self.blocks, -1)[groups]
        context = np.arange(context_length) < seen[:, :, None]
        own = blocks[:, :, None] == blocks[:, None, :]
        return np.concatenate([context, own], axis=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSettings:
    """How blocks are laid over a context."""

    lengths: tuple[int, ...] = (3, 5, 8)
    length_shares: tuple[float, ...] = (0.4, 0.35, 0.25)
    blocks: int = 64
    """Blocks for each context; those that the middle cannot give start in the prefix."""
    scattered_share: float = 0.15
    """Blocks in which some later tokens are known, as in draft mode and revision."""
    depth_decay: float = 0.85
    prefix_weight: float = 0.7
    padding_weight: float = 0.1
    """Of EOS after the first one."""


def plan_blocks(
    context: Context, end: int, rng: np.random.Generator, settings: BlockSettings
) -> BlockPlan:
    """Draw starts over the middle, then the prefix, and lay a block after each."""
    total = len(context.ids)
    # The last known token may be the marker; the first row must still have EOS to predict.
    middle = np.arange(context.middle_start - 1, total - (1 if context.ends else 2))
    starts = _spread(middle, settings.blocks, rng)
    before = np.arange(min(24, context.prefix_end // 2), context.prefix_end - 2)
    rest = _spread(before, settings.blocks - len(starts), rng)
    rows = [_lay(context, int(start), total, end, 1.0, rng, settings) for start in starts]
    rows += [
        _lay(context, int(start), context.prefix_end, end, settings.prefix_weight, rng, settings)
        for start in rest
    ]
    return join_blocks([block for block in rows if len(block["inputs"])])


def all_masked(context: Context, end: int, length: int, starts: np.ndarray) -> BlockPlan:
    """A block of `length` masks after each of `starts` (indices of the last known token)."""
    settings = BlockSettings(
        lengths=(length,), length_shares=(1.0,), scattered_share=0.0, depth_decay=1.0
    )
    rng = np.random.default_rng(0)
    total = len(context.ids)
    return join_blocks(
        [_lay(context, int(start), total, end, 1.0, rng, settings) for start in starts]
    )


def join_blocks(blocks: list[dict[str, np.ndarray]]) -> BlockPlan:
    """Number the blocks and put their rows back to back."""
    numbers = [np.full(len(block["inputs"]), index) for index, block in enumerate(blocks)]
    joined = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return BlockPlan(blocks=np.concatenate(numbers), **joined)


def _spread(places: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most `count` of the places, one from each of `count` equal strata."""
    if count <= 0 or not len(places):
        return places[:0]
    if len(places) <= count:
        return places
    chosen: np.ndarray = places[
        ((np.arange(count) + rng.random()) * (len(places) / count)).astype(int)
    ]
    return chosen


def _lay(
    context: Context,
    start: int,
    limit: int,
    end: int,
    weight: float,
    rng: np.random.Generator,
    settings: BlockSettings,
) -> dict[str, np.ndarray]:
    ends = context.ends and limit == len(context.ids)
    length = int(rng.choice(settings.lengths, p=settings.length_shares))
    if not ends:
        length = min(length, limit - start - 2)
    depths = np.arange(max(length, 0))
    targets = start + 2 + depths
    inside = targets < limit
    known = _known_rows(length, rng, settings)
    # Row i holds the token at start + 1 + i and is read for the one after it.
    held = np.where(targets - 1 < limit, context.ids[np.minimum(targets - 1, limit - 1)], end)
    predicted_known = np.append(known[1:], False)[: len(depths)]
    weights = weight * settings.depth_decay**depths * ~predicted_known
    weights = np.where(targets > limit, weights * settings.padding_weight, weights)
    return {
        "inputs": np.where(known, held, MASKED).astype(np.int64),
        "positions": start + 1 + depths,
        "seen": np.full(len(depths), start + 1),
        "depths": depths,
        "targets": np.where(inside, context.ids[np.minimum(targets, limit - 1)], end),
        "teacher_rows": np.where(inside, targets - 1, NO_TEACHER),
        "weights": weights.astype(np.float32),
    }


def _known_rows(length: int, rng: np.random.Generator, settings: BlockSettings) -> np.ndarray:
    """Which rows hold a known token: never the first, which would belong to the context."""
    known = np.zeros(max(length, 0), dtype=bool)
    if length > 1 and rng.random() < settings.scattered_share:
        # One uniform offset for the whole block keeps the share of known rows even.
        ratio = rng.random()
        places = (np.arange(length - 1) + rng.random()) / (length - 1)
        known[1:] = rng.permutation(places < ratio)
    return known

"""What a runtime computes: rows of one or more sequences in, scores of chosen rows out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from midspan_engine.runtime.blocks import BlockPool, CachedSequence

TOP = 8
"""How many of the most likely tokens a runtime ranks for each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Rows of one sequence: causal ones, then masked blocks that stand behind some of them.

    A block behind causal row `r` sees the context, the causal rows up to `r`, and itself in both
    directions. Blocks behind different rows do not see each other, and no causal row sees a block:
    each is what might come if the causal rows up to `r` are right and the next is not.

    Attributes:
        sequence: Its cache, with room for `start + len(ids) + 1` positions. Two groups of one
            pass must not name the same sequence: neither would see the other's rows.
        start: Position of the first row; everything before it is attended to. Causal rows follow
            each other from there; a block begins one position after the row that it stands behind.
        ids: Token ids `[rows]`; ignored where `masked`.
        masked: Which rows take the mask embedding `[rows]`; all of them are block rows.
        behind: For block rows the index of the causal row that they stand behind, -1 for causal
            rows `[rows]`. Block rows run on the adapter's weights and come after all causal rows.
        wanted: Which rows' scores the caller reads, as indices into `ids`.
    """

    sequence: CachedSequence
    start: int
    ids: NDArray[np.int32]
    masked: NDArray[np.bool_]
    behind: NDArray[np.int32]
    wanted: NDArray[np.int32]

    @classmethod
    def causal(
        cls,
        sequence: CachedSequence,
        start: int,
        ids: Sequence[int],
        wanted: Sequence[int] = (),
    ) -> RowGroup:
        """Rows that all hold a token."""
        return cls(
            sequence=sequence,
            start=start,
            ids=np.asarray(ids, np.int32),
            masked=np.zeros(len(ids), np.bool_),
            behind=np.full(len(ids), -1, np.int32),
            wanted=np.asarray(wanted, np.int32),
        )

    @property
    def rows(self) -> int:
        """How many it has."""
        return len(self.ids)

    @property
    def block(self) -> NDArray[np.bool_]:
        """Which rows run on the adapter's weights `[rows]`."""
        return self.behind >= 0

    @property
    def positions(self) -> NDArray[np.int64]:
        """Position of each row in the text `[rows]`; its place in the cache is `start + index`."""
        offsets = np.arange(len(self.ids))
        if self.block.any():
            first = np.searchsorted(self.behind, self.behind)  # sorted: blocks follow each other
            offsets = np.where(self.block, self.behind + 1 + offsets - first, offsets)
        return self.start + offsets

    def visible(self) -> NDArray[np.bool_]:
        """Which rows of the group each row attends to, `[rows, rows]`."""
        index = np.arange(len(self.ids))
        limit = np.where(self.block, self.behind, index)
        past = ~self.block[None, :] & (index[None, :] <= limit[:, None])
        together = self.block[:, None] & (self.behind[:, None] == self.behind[None, :])
        seen: NDArray[np.bool_] = past | together
        return seen

    def then(self, after: RowGroup) -> RowGroup:
        """This causal group and the one right after it as one; wants what `after` wants."""
        assert after.start == self.start + len(self.ids)
        assert not self.block.any()
        return RowGroup(
            sequence=self.sequence,
            start=self.start,
            ids=np.concatenate([self.ids, after.ids]),
            masked=np.concatenate([self.masked, after.masked]),
            behind=np.concatenate(
                [self.behind, np.where(after.block, after.behind + len(self.ids), -1)]
            ).astype(np.int32),
            wanted=after.wanted + np.int32(len(self.ids)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowScores:
    """Scores of the wanted rows of one group; valid until the runtime's next pass.

    Attributes:
        logits: `[wanted, vocab]`, float32.
        top_ids: `[wanted, TOP]`, most likely first.
        top_logits: `[wanted, TOP]`.
        log_normaliser: `[wanted]`; a log-probability is a logit minus this.
    """

    logits: NDArray[np.float32]
    top_ids: NDArray[np.int32]
    top_logits: NDArray[np.float32]
    log_normaliser: NDArray[np.float32]

    def logprob(self, row: int, token: int) -> float:
        """Natural log-probability of `token` in wanted row `row`."""
        return float(self.logits[row, token] - self.log_normaliser[row])

    def logprobs(self, tokens: Sequence[int]) -> list[float]:
        """Natural log-probability of one token in each of the first `len(tokens)` wanted rows."""
        asked = np.asarray(tokens, np.int64)
        logits = self.logits[np.arange(len(asked)), asked]
        found: list[float] = (logits - self.log_normaliser[: len(asked)]).tolist()
        return found

    def logits_of(self, row: int, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits of some tokens in wanted row `row`; cheaper than all where they are computed."""
        found: NDArray[np.float32] = self.logits[row, tokens]
        return found


@dataclass(slots=True)
class PassCount:
    """How much a runtime has computed since it was made."""

    passes: int = 0
    rows: int = 0

    def add(self, rows: int) -> None:
        self.passes += 1
        self.rows += rows


class Runtime(Protocol):
    """Runs a network. One pass at a time; not to be shared between threads."""

    name: str
    pool: BlockPool
    has_adapter: bool
    count: PassCount

    def forward(self, groups: Sequence[RowGroup]) -> list[RowScores]:
        """Run one pass over all rows of `groups` and write their keys and values.

        Returns:
            One entry for each group, in order.
        """
        ...

    def settle(self) -> None:
        """Give back memory that only loading needed; called once the first passes have run."""
        ...


def rotary_angles(
    positions: NDArray[np.int64], head_dim: int, theta: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine and sine `[rows, head_dim]` of rotary positions (Su et al. 2021, halves paired)."""
    inverse = 1.0 / theta ** (np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    angles = positions[:, None] * np.concatenate([inverse, inverse])
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

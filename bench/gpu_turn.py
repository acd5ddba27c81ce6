"""The host's turn between two passes: it waits, copies, decides and launches again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from midspan_engine.decoding.canvas import Canvas
from midspan_engine.decoding.guess import Guess
from midspan_engine.decoding.unmask import verify
from midspan_engine.runtime.blocks import BLOCK, CachedSequence
from midspan_engine.runtime.kernel_buckets import Ladder, pack
from midspan_engine.runtime.kernel_graphs import PassGraphs
from midspan_engine.runtime.kernel_rows import PassRows
from midspan_engine.runtime.kernel_scores import split_scores
from midspan_engine.runtime.kernel_transfer import Transfers
from midspan_engine.runtime.rows import TOP, RowGroup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from midspan_engine.runtime.kernel_buckets import Bucket
    from midspan_engine.runtime.rows import RowScores

_CONTEXT = 640


class Turns:
    """Passes of the engine whose network computes nothing, so that what is left is the turn.

    Of the engine all is there but its own bookkeeping and the spelling of tokens, which it needs
    to see where a completion ends.

    Args:
        device: "cpu" or "cuda".
        guesses: That a pass verifies.
    """

    def __init__(self, device: str, guesses: int = 7) -> None:
        self._transfers = Transfers(device)
        self._graphs = PassGraphs(_no_network, device, self._transfers)
        self._ladder, self._guesses = Ladder(), guesses
        self._sequence = CachedSequence()
        self._sequence.blocks = list(range(_CONTEXT // BLOCK + 2))

    def take(self) -> int:
        """One turn; how many tokens it commits."""
        canvas = Canvas(self._sequence, 5)
        canvas.guess = Guess((5,) * self._guesses, (0.5,) * self._guesses)
        causal = 1 + self._guesses
        group = RowGroup.causal(self._sequence, _CONTEXT, [5] * causal, range(causal))
        rows = PassRows.of([group])
        bucket = self._ladder.bucket(rows)
        wanted = self._transfers.send("wanted", rows.wanted)
        judged = self._graphs.run(bucket, pack(rows, bucket)).index_select(0, wanted)
        scores = split_scores(self._transfers.fetch(judged), judged, [causal], _NoHead())[0]
        return len(verify(canvas, scores, _likeliest).tokens)

    def microseconds(self, count: int = 500) -> float:
        """Mean time of a turn."""
        for _ in range(20):
            self.take()
        began = time.perf_counter()
        for _ in range(count):
            self.take()
        return (time.perf_counter() - began) / count * 1e6


_NEVER_ASKED = "a turn asks for tokens that are ranked, and this network has no logits"


class _NoHead:
    """See `kernel_scores.Head`; all that is asked for is ranked."""

    def logits(
        self, hidden: Tensor, tokens: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        raise NotImplementedError(_NEVER_ASKED)

    def pairs(
        self, hidden: Tensor, rows: NDArray[np.int32], tokens: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        raise NotImplementedError(_NEVER_ASKED)


def _no_network(packed: Tensor, bucket: Bucket) -> Tensor:
    """Says that the id of each row is the likeliest behind it."""
    return packed[: bucket.rows, None].repeat(1, 2 * TOP + 1)


def _likeliest(scores: RowScores, row: int) -> tuple[int, float]:
    token = int(scores.top_ids[row, 0])
    return token, scores.logprob(row, token)

"""Unmask policies: from a canvas and the scores of its rows to a `Commit`.

`verify` commits what the causal rows confirm, so its result is the greedy autoregressive one
whatever stood in the guesses (speculative decoding, Leviathan et al. 2023, with temperature 0).
`confident` is pure diffusion: masks whose prediction is likely enough are filled, left to right or
not, and the rest is masked again (Fast-dLLM's threshold rule).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from midspan_engine.decoding.canvas import MASK, Canvas, Commit

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.runtime.rows import RowScores

    Pick = Callable[[RowScores, int], tuple[int, float]]


class Policy(Protocol):
    """Decides what a pass has settled."""

    def __call__(self, canvas: Canvas, scores: RowScores, pick: Pick) -> Commit:
        """Return the step.

        Args:
            canvas: As it was for the pass.
            scores: Of the last committed token's row and every row after it.
            pick: `(scores, row) -> (token, logprob)`, the most likely token that may come there.
        """
        ...


def verify(canvas: Canvas, scores: RowScores, pick: Pick) -> Commit:
    """Commit the guesses that greedy decoding confirms, and the token after them."""
    tokens: list[int] = []
    logprobs: list[float] = []
    rows = 1 + len(canvas.guesses)
    for row in range(rows):
        token, logprob = pick(scores, row)
        tokens.append(token)
        logprobs.append(logprob)
        if row < len(canvas.guesses) and canvas.guesses[row] != token:
            break
    agreed = len(tokens)
    # After a wrong guess the rows behind it saw a wrong past, yet they often say what comes anyway
    # (Jacobi decoding, Santilli et al. 2023). Masked cells follow only a fully confirmed guess.
    from_masks = agreed == rows and bool(canvas.cells)
    last = rows + len(canvas.cells) if from_masks else rows
    following = range(agreed, last)
    guesses = tuple(int(scores.top_ids[row, 0]) for row in following)
    return Commit(
        tokens=tuple(tokens), logprobs=tuple(logprobs), guesses=guesses, from_masks=from_masks
    )


@dataclass(frozen=True, slots=True)
class Confident:
    """Commit every cell whose best token has at least probability `threshold`.

    The first open position is always committed, for its row is causal and a step must make
    progress. Cells behind a gap are kept as tentative tokens and read both sides of the gap.
    """

    log_threshold: float
    width: int

    def __call__(self, canvas: Canvas, scores: RowScores, pick: Pick) -> Commit:
        """See `Policy`."""
        assert not canvas.guesses
        token, logprob = pick(scores, 0)
        tokens, logprobs = [token], [logprob]
        cells: list[int] = []
        for row in range(1, 1 + len(canvas.cells)):
            token, logprob = pick(scores, row)
            certain = logprob >= self.log_threshold
            if certain and not cells:
                tokens.append(token)
                logprobs.append(logprob)
            else:
                cells.append(token if certain else MASK)
        cells += [MASK] * (self.width - len(cells))
        return Commit(tokens=tuple(tokens), logprobs=tuple(logprobs), cells=tuple(cells))

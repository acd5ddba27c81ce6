"""Unmask policies: from a canvas and the scores of its rows to a `Commit`.

`verify` commits what the causal rows confirm, so its result is the greedy autoregressive one
whatever stood in the guesses (speculative decoding, Leviathan et al. 2023, with temperature 0).
`Tolerant` also takes a guess that the causal rows find nearly as likely as their own choice
(typical acceptance, Medusa, Cai et al. 2024). `Denoise` is pure diffusion: masks are filled left to
right or not, and what is filled but not committed is judged again in every pass, so it can be
revised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from midspan_engine.decoding.canvas import MASK, Canvas, Commit
from midspan_engine.decoding.guess import Guess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from midspan_engine.runtime.rows import RowScores

    Pick = Callable[[RowScores, int], tuple[int, float]]

_LOOK_AHEAD = (0.21, 0.4, 0.4, 0.4)
"""Chances of what the rows behind a wrong guess predict, on 60 single-line tasks."""


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
    return _commit_confirmed(canvas, scores, pick, 0.0)


@dataclass(frozen=True, slots=True)
class Tolerant:
    """Like `verify`, but a guess also stands if it is nearly as likely as the best token.

    Attributes:
        log_ratio: Natural logarithm of the smallest ratio to the best token's probability.
    """

    log_ratio: float

    def __call__(self, canvas: Canvas, scores: RowScores, pick: Pick) -> Commit:
        """See `Policy`."""
        return _commit_confirmed(canvas, scores, pick, self.log_ratio)


def _commit_confirmed(canvas: Canvas, scores: RowScores, pick: Pick, log_ratio: float) -> Commit:
    tokens: list[int] = []
    logprobs: list[float] = []
    guesses = canvas.guess.tokens
    for row in range(1 + len(guesses)):
        token, logprob = pick(scores, row)
        if row < len(guesses) and guesses[row] != token and log_ratio < 0:
            theirs = scores.logprob(row, guesses[row])
            if theirs - logprob >= log_ratio:
                token, logprob = guesses[row], theirs
        tokens.append(token)
        logprobs.append(logprob)
        if row < len(guesses) and guesses[row] != token:
            break
    guess = _next_guess(canvas, scores, len(tokens) - 1)
    return Commit(tokens=tuple(tokens), logprobs=tuple(logprobs), guess=guess)


def _next_guess(canvas: Canvas, scores: RowScores, confirmed: int) -> Guess:
    """What the masks behind the last confirmed guess say; without masks there, the causal rows.

    After a wrong guess the rows behind it saw a wrong past, yet they often say what comes anyway
    (Jacobi decoding, Santilli et al. 2023).
    """
    masks = canvas.cell_rows(confirmed)
    if masks:
        chances = np.exp(scores.top_logits[masks, 0] - scores.log_normaliser[masks])
        return Guess(tuple(scores.top_ids[masks, 0].tolist()), tuple(chances.tolist()))
    rows = range(confirmed + 1, 1 + len(canvas.guess.tokens))[: len(_LOOK_AHEAD)]
    return Guess(tuple(int(scores.top_ids[row, 0]) for row in rows), _LOOK_AHEAD[: len(rows)])


@dataclass(frozen=True, slots=True)
class CellScores:
    """Predictions of the masked cells of a block, in order.

    Attributes:
        logprobs: Natural log-probability of each best token `[cells]`.
        entropies: Of each distribution, in nats, what is behind the best tokens counted as one
            `[cells]`.
        drifts: Kullback-Leibler divergence of each distribution from that of the pass before, in
            nats, infinite where there was none `[cells]`; None where nobody measured it.
    """

    logprobs: np.ndarray
    entropies: np.ndarray
    drifts: np.ndarray | None = None


class Select(Protocol):
    """Chooses the cells that a pure diffusion step fills."""

    def __call__(self, cells: CellScores) -> np.ndarray:
        """Bool `[cells]`."""
        ...


@dataclass(frozen=True, slots=True)
class Threshold:
    """Cells whose best token is likely enough (Fast-dLLM, Wu et al. 2025)."""

    log_threshold: float

    def __call__(self, cells: CellScores) -> np.ndarray:
        """See `Select`."""
        chosen: np.ndarray = cells.logprobs >= self.log_threshold
        return chosen


@dataclass(frozen=True, slots=True)
class EntropyBound:
    """The most certain cells while what is filled at once depends on each other by little.

    Cells in order of entropy, as long as the sum of all but the largest stays within the bound:
    that sum bounds what filling them independently loses (EB-Sampler, Ben-Hamu et al. 2025).
    """

    bound: float

    def __call__(self, cells: CellScores) -> np.ndarray:
        """See `Select`."""
        order = np.argsort(cells.entropies, kind="stable")
        entropies = cells.entropies[order]
        chosen = np.zeros(len(order), np.bool_)
        chosen[order[np.cumsum(entropies) - entropies <= self.bound]] = True
        return chosen


@dataclass(frozen=True, slots=True)
class Fixed:
    """So many cells in each step, the most certain ones."""

    count: int

    def __call__(self, cells: CellScores) -> np.ndarray:
        """See `Select`."""
        chosen = np.zeros(len(cells.logprobs), np.bool_)
        chosen[np.argsort(-cells.logprobs, kind="stable")[: self.count]] = True
        return chosen


@dataclass(frozen=True, slots=True)
class Denoise:
    """Fill the cells that `select` chooses; the first open position always, for it is causal.

    What is filled right behind the committed tokens is committed. Cells behind a gap hold their
    token tentatively: they read both sides of the gap, and are masked again when the next pass no
    longer chooses them (remasking, as in ReMDM, Wang et al. 2025, and WINO, Hong et al. 2025).
    """

    select: Select
    width: int

    def __call__(self, canvas: Canvas, scores: RowScores, pick: Pick) -> Commit:
        """See `Policy`."""
        assert not canvas.guess.tokens
        rows = canvas.cell_rows(0)
        picked = [pick(scores, row) for row in (0, *rows)]
        chosen = self.select(_cell_scores(scores, rows, [logprob for _, logprob in picked[1:]]))
        run = 1 + int(np.cumprod(chosen).sum())
        tail = [
            token if certain else MASK
            for (token, _), certain in zip(picked[1:], chosen, strict=True)
        ]
        # The first open position behind the run is one that was not chosen.
        cells = tail[run - 1 :] + [MASK] * self.width
        return Commit(
            tokens=tuple(token for token, _ in picked[:run]),
            logprobs=tuple(logprob for _, logprob in picked[:run]),
            cells=(tuple(cells[: self.width]),),
            beliefs=Guess(
                tuple(token for token, _ in picked[run:]),
                tuple(float(np.exp(logprob)) for _, logprob in picked[run:]),
            ),
        )


def _cell_scores(scores: RowScores, rows: Sequence[int], logprobs: Sequence[float]) -> CellScores:
    top = scores.top_logits[rows] - scores.log_normaliser[rows][:, None]
    rest = np.clip(1 - np.exp(top).sum(axis=1, keepdims=True), 1e-9, 1.0)
    shares = np.concatenate([top, np.log(rest)], axis=1)
    entropies = -(np.exp(shares) * shares).sum(axis=1)
    return CellScores(logprobs=np.asarray(logprobs, np.float64), entropies=entropies)

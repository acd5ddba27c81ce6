"""Which masks a pass fills, with what, and which filled ones are looked at again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.canvas.cells import MASK, Step
from midspan_engine.decoding.unmask import CellScores, Threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from midspan_engine.canvas.cells import SpanCanvas
    from midspan_engine.decoding.unmask import Select

_NEVER = np.float32(-np.inf)
_PLACES = 0.4
"""Share of a close call's bound that counts between places: who comes first changes few texts."""


@dataclass(frozen=True, slots=True)
class Stable:
    """Cells whose token is likely and whose distribution has stopped moving (KLASS, 2511.05664).

    Attributes:
        log_threshold: Least log-probability of the token.
        drift: Most Kullback-Leibler divergence from the pass before, in nats.
    """

    log_threshold: float
    drift: float

    def __call__(self, cells: CellScores) -> np.ndarray:
        """See `Select`."""
        assert cells.drifts is not None
        chosen: np.ndarray = (cells.logprobs >= self.log_threshold) & (cells.drifts <= self.drift)
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a token is drawn for a mask.

    Attributes:
        temperature: 0 for the most likely one.
        top_p: Tokens are drawn from the most likely ones that have this share together.
        seed: Of the generator.
    """

    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0


class Unmasker:
    """Turns the logits of the masked rows into a step.

    Args:
        select: Which masks are certain enough; the most certain one is filled in any case.
        never: Tokens that no place may hold: marks, and ids without a token.
        sampling: How tokens are drawn.
    """

    def __init__(self, select: Select, never: Sequence[int], sampling: Sampling) -> None:
        self.select = select
        self._never = np.asarray(sorted(never), np.int64)
        self._sampling = sampling
        self._rng = np.random.default_rng(sampling.seed)

    def step(
        self,
        canvas: SpanCanvas,
        logits: NDArray[np.float32],
        opening: NDArray[np.int64] | None = None,
    ) -> Step:
        """What to fill in now, and note in each mask what would have been filled in.

        Args:
            canvas: As it was for the pass.
            logits: Of its masked cells in order, `[masks, vocab]`.
            opening: Where given, the only tokens that the first cell may hold.

        Returns:
            One place at least, or none where no mask has a token left that it may hold.
        """
        places = canvas.masks
        if not places:
            return Step(places=(), tokens=(), logprobs=())
        logprobs = self._logprobs(canvas, places, logits, opening)
        tokens = self._draw(logprobs)
        best = logprobs[np.arange(len(places)), tokens]
        chosen = self._chosen(self._scores(canvas, places, logprobs, best))
        if isinstance(self.select, Stable):
            for place, seen in zip(places, logprobs, strict=True):
                canvas.cells[place].last = np.maximum(seen, np.float32(-60.0))
        for place, token, logprob in zip(places, tokens, best, strict=True):
            believed = (int(token), float(logprob)) if logprob > _NEVER else None
            canvas.cells[place].belief = believed
        index = np.flatnonzero(chosen)
        return Step(
            places=tuple(places[i] for i in index),
            tokens=tuple(int(tokens[i]) for i in index),
            logprobs=tuple(float(best[i]) for i in index),
        )

    def is_close(
        self,
        canvas: SpanCanvas,
        logits: NDArray[np.float32],
        within: float,
        opening: NDArray[np.int64] | None = None,
    ) -> bool:
        """Whether `step` might choose another token if log-probabilities were off by `within`.

        That is where two tokens for a chosen place are so near each other. So is it where the last
        chosen place and the first other one are, or a place and the threshold, but nearer: the
        place that just misses is filled soon. Never where tokens are drawn.
        """
        places = canvas.masks
        if within <= 0 or not places or self._sampling.temperature > 0:
            return False
        logprobs = self._logprobs(canvas, places, logits, opening)
        ranked = np.partition(logprobs, -2, axis=1)
        best, second = ranked[:, -1], ranked[:, -2]
        cells = self._scores(canvas, places, logprobs, best)
        chosen = self._chosen(cells)
        if not chosen.any():
            return False
        likelier, less = (
            self.select(dataclasses.replace(cells, logprobs=cells.logprobs + shift))
            for shift in (within * _PLACES, -within * _PLACES)
        )
        # A rule may rank places by something else, and then the gap is negative.
        gap = best[chosen].min() - best[~chosen].max(initial=_NEVER)
        return bool(
            (best[chosen] - second[chosen]).min() < within
            or 0 <= gap < within * _PLACES
            or (likelier != less).any()
        )

    def _scores(
        self,
        canvas: SpanCanvas,
        places: Sequence[int],
        logprobs: NDArray[np.float32],
        best: NDArray[np.float32],
    ) -> CellScores:
        return CellScores(
            logprobs=best.astype(np.float64),
            entropies=_entropies(logprobs),
            drifts=self._drifts(canvas, places, logprobs),
        )

    def _chosen(self, cells: CellScores) -> NDArray[np.bool_]:
        """The places that are certain enough, the most certain one in any case."""
        chosen = self.select(cells)
        chosen[int(np.argmax(cells.logprobs))] = True
        return chosen & (cells.logprobs > _NEVER)

    def _logprobs(
        self,
        canvas: SpanCanvas,
        places: Sequence[int],
        logits: NDArray[np.float32],
        opening: NDArray[np.int64] | None,
    ) -> NDArray[np.float32]:
        allowed = logits.copy()
        allowed[:, self._never] = _NEVER
        if canvas.expand is not None and not canvas.may_expand:
            allowed[:, canvas.expand] = _NEVER
        for row, place in enumerate(places):
            banned = canvas.cells[place].banned
            if banned:
                allowed[row, list(banned)] = _NEVER
        if opening is not None and places and places[0] == 0:
            kept = allowed[0, opening].copy()
            allowed[0] = _NEVER
            allowed[0, opening] = kept
        high = _finite(allowed.max(axis=1, keepdims=True))
        total = np.exp(allowed - high).sum(axis=1, keepdims=True)
        # Where nothing may stand the sum is 0, and every token stays impossible.
        result: NDArray[np.float32] = allowed - high - np.log(np.where(total > 0, total, 1.0))
        return result

    def _draw(self, logprobs: NDArray[np.float32]) -> NDArray[np.int64]:
        sampling = self._sampling
        if sampling.temperature <= 0:
            likeliest: NDArray[np.int64] = logprobs.argmax(axis=1)
            return likeliest
        tempered = logprobs / sampling.temperature
        order = np.argsort(-tempered, axis=1)
        ranked = np.take_along_axis(tempered, order, 1)
        shares = np.exp(ranked - _finite(ranked[:, :1]))
        before = np.cumsum(shares, axis=1) - shares
        ranked[before > sampling.top_p * shares.sum(axis=1, keepdims=True)] = _NEVER
        noise = self._rng.gumbel(size=ranked.shape)
        picked = (ranked + noise).argmax(axis=1)
        tokens: NDArray[np.int64] = order[np.arange(len(order)), picked]
        return tokens

    def _drifts(
        self, canvas: SpanCanvas, places: Sequence[int], logprobs: NDArray[np.float32]
    ) -> NDArray[np.float64] | None:
        if not isinstance(self.select, Stable):
            return None
        drifts = np.full(len(places), np.inf)
        for row, place in enumerate(places):
            cell = canvas.cells[place]
            if cell.last is not None:
                now = logprobs[row]
                seen = now > -np.inf
                drifts[row] = float((np.exp(now[seen]) * (now[seen] - cell.last[seen])).sum())
        return drifts


def doubtful(canvas: SpanCanvas, least: float, most: int) -> list[int]:
    """Committed cells that are less likely than `least` (log-probability), the worst first."""
    found = [
        (cell.logprob, place)
        for place, cell in enumerate(canvas.cells)
        if cell.token != MASK and not cell.fixed and cell.logprob < least
    ]
    return [place for _, place in sorted(found)[:most]]


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """0 in place of minus infinity."""
    return np.where(values > _NEVER, values, np.float32(0.0))


def _entropies(logprobs: NDArray[np.float32]) -> NDArray[np.float64]:
    shares = np.exp(logprobs)
    terms = np.where(shares > 0, shares * np.where(shares > 0, logprobs, 0.0), 0.0)
    entropies: NDArray[np.float64] = -terms.sum(axis=1).astype(np.float64)
    return entropies


LIKELY = Threshold(float(np.log(0.9)))
"""The usual choice of Fast-dLLM."""

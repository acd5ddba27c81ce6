"""Guesses with their chances, and where masks are worth a row.

A row of a pass costs a few per cent of it, so each one has to earn its place: a guess by the
probability that all before it and itself are right, a mask by the probability that the pass ends
where it stands and its prediction holds (the expected-value view of draft trees, as in Sequoia,
Chen et al. 2024, and EAGLE-2, Li et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MASK_CHANCES = (0.68, 0.62, 0.6, 0.55, 0.5, 0.5, 0.5)
"""How often the first, second, … masked prediction is what greedy decoding says, given that those
before it were: on held-out packages, all masked (`midspan train adapter`, greedy_positions)."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Tokens that may come next.

    Attributes:
        tokens: In order.
        chances: Probability that each is right if those before it are.
    """

    tokens: tuple[int, ...] = ()
    chances: tuple[float, ...] = ()

    @property
    def expected(self) -> float:
        """How many of the tokens are right, on average."""
        return float(sum(accumulate(self.chances, mul)))

    def cut(self, most: int, least: float) -> Guess:
        """At most `most` tokens, as long as the chance of all up to one is at least `least`."""
        reached = list(accumulate(self.chances[:most], mul))
        count = next((i for i, chance in enumerate(reached) if chance < least), len(reached))
        return Guess(self.tokens[:count], self.chances[:count])

    def then(self, after: Guess) -> Guess:
        """Both, one after the other."""
        return Guess(self.tokens + after.tokens, self.chances + after.chances)


NO_GUESS = Guess()


def better(first: Guess, second: Guess) -> Guess:
    """The one that promises more; where they begin with the same token, the chance of it grows."""
    best = first if first.expected >= second.expected else second
    if first.tokens and second.tokens and first.tokens[0] == second.tokens[0]:
        wrong = (1 - first.chances[0]) * (1 - second.chances[0])
        return Guess(best.tokens, (1 - wrong, *best.chances[1:]))
    return best


def masks_behind(chances: Sequence[float], room: int, least: float) -> tuple[int, ...]:
    """How many masks stand behind each outcome of verifying guesses with these chances.

    Args:
        chances: Of the guesses, in order.
        room: Most masks in all.
        least: Smallest probability of one more token that is worth a row.

    Returns:
        `len(chances) + 1` counts: behind none of the guesses, behind the first, ….
    """
    reached = [1.0, *accumulate(chances, mul)]
    ends = [r * (1 - c) for r, c in zip(reached, [*chances, 0.0], strict=True)]
    depths = list(accumulate(_MASK_CHANCES, mul))
    values = [(end * depth, place) for place, end in enumerate(ends) for depth in depths]
    chosen = sorted((v for v in values if v[0] >= least), reverse=True)[: max(room, 0)]
    counts = [0] * len(ends)
    for _, place in chosen:
        counts[place] += 1
    return tuple(counts)

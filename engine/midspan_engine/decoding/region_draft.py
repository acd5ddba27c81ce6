"""Guesses of a rewritten region: it goes on as the region does, and finds back after a change.

The answer is aligned with what it may repeat, token by token (edit distance, kept for the answer so
far against every beginning of the reference), so that a word replaced, a line inserted and a line
taken out all end in a place to copy on from. There are two references: the region as it stands, and
the region with the newest change of the person made in it too. Whichever the answer has followed
better is the guess; within a change, what followed the same tokens in the prompt is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.decoding.guess import Guess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.decoding.drafts import Chances, LookupDraft

_FIRST = (0.2, 0.85, 0.94, 0.94, 0.95, 0.95, 0.96, 0.98)
"""How often the next token of the reference is right after so many that were copied, and
`_FURTHER` each one after it: 400 changed regions of held-out packages."""
_FURTHER = 0.985
LOOK_UP_CHANCES: Chances = {1: (0.37, 0.7), 2: (0.47, 0.75), 3: (0.7, 0.85)}
"""The same for a look-up within a change."""
_JUMP = 3.0
"""Most that leaving out any number of tokens costs: lines are deleted as a whole."""
_SURE_RUN = 6
"""Tokens copied in a row that settle where the answer stands."""


class Follower:
    """Where in one reference an answer stands."""

    def __init__(self, reference: Sequence[int]) -> None:
        self._reference = np.asarray(reference, np.int64)
        places = len(self._reference) + 1
        self._costs = np.minimum(np.arange(places, dtype=np.float64), _JUMP)
        self._runs = np.zeros(places, np.int64)
        self._place = 0
        self._run = 0

    @property
    def cost(self) -> float:
        """Edits so far, of the best alignment."""
        return float(self._costs.min())

    def take(self, token: int) -> None:
        """Append one token to the answer."""
        right = self._reference == token
        costs = self._costs + 1.0
        costs[1:] = np.minimum(costs[1:], self._costs[:-1] + ~right)
        steps = np.arange(len(costs))
        one_by_one = np.minimum.accumulate(costs - steps) + steps
        self._costs = np.minimum(one_by_one, np.minimum.accumulate(costs) + _JUMP)
        self._runs[1:] = np.where(right, self._runs[:-1] + 1, 0)
        self._stand()

    def guess(self, most: int) -> Guess:
        """What comes next in the reference where the answer most likely stands."""
        tokens = self._reference[self._place : self._place + most].tolist()
        first = _FIRST[min(self._run, len(_FIRST) - 1)]
        return Guess(tuple(tokens), (first, *[_FURTHER] * most)[: len(tokens)])

    def _stand(self) -> None:
        """Choose the place. Right behind a copied run, one token that differs replaces one."""
        place = int(np.argmin(self._costs - np.minimum(self._runs, _SURE_RUN)))
        run = int(self._runs[place])
        if run:
            self._place, self._run = place, run
        elif self._run:
            self._place, self._run = min(self._place + 1, len(self._reference)), 0


class RegionDraft:
    """Proposes what may come next in the rewritten region.

    Args:
        references: What the answer may repeat, each with its end mark; the likelier one first.
        look_up: What followed the same tokens in the prompt.
    """

    def __init__(self, references: Sequence[Sequence[int]], look_up: LookupDraft) -> None:
        self._followers = [Follower(reference) for reference in references]
        self._look_up = look_up

    def extend(self, tokens: Sequence[int]) -> None:
        """Append `tokens` to the answer."""
        for token in tokens:
            for follower in self._followers:
                follower.take(token)
        self._look_up.extend(tokens)

    def propose(self, answer: Sequence[int], most: int, least: float) -> Guess:
        """What may follow `answer`, which is all that `extend` was given.

        Args:
            answer: The tokens so far.
            most: Rows that may be used.
            least: Smallest probability of one more token that is worth a row.
        """
        best = min(self._followers, key=lambda follower: follower.cost)
        guesses = (best.guess(most), self._look_up.propose(answer, most))
        return max((one.cut(most, least) for one in guesses), key=lambda one: one.expected)

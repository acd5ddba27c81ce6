"""Guesses that cost no training: what followed the same tokens before, in context or last answer.

Prompt look-up decoding (Saxena 2023). Code repeats itself, and the span that was offered a
keystroke ago is the best guess of the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_engine.decoding.guess import Guess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Chances = Mapping[int, tuple[float, float]]

_CHANCES: Chances = {1: (0.18, 0.45), 2: (0.40, 0.65), 3: (0.53, 0.75)}
"""How often the first guess, and each further one, is right after a match of so many tokens: on 60
single-line tasks."""
_OPENING = (0.6, 0.9)
"""The same for the last answer, a keystroke later."""
_LONGEST = max(_CHANCES)


class LookupDraft:
    """Finds the latest earlier place that ends like the span does and proposes what came next.

    Args:
        corpora: Token sequences to look in; later ones are preferred. The last one is the span
            itself, which grows.
        before: Tokens before the span, so that its first guess has something to match.
        opening: What the span may be, followed as long as it agrees.
        chances: Of the first guess and each further one after a match of so many tokens.
    """

    def __init__(
        self,
        corpora: Sequence[Sequence[int]],
        before: Sequence[int] = (),
        opening: Sequence[int] = (),
        chances: Chances = _CHANCES,
    ) -> None:
        self._before = list(before[-_LONGEST:])
        self._opening = tuple(opening)
        self._chances = chances
        self._corpora = [list(corpus) for corpus in corpora]
        self._index: dict[tuple[int, ...], tuple[int, int]] = {}
        for number in range(len(self._corpora)):
            self._add(number, 0)

    def extend(self, tokens: Sequence[int]) -> None:
        """Append `tokens` to the span's own corpus."""
        number = len(self._corpora) - 1
        corpus = self._corpora[number]
        start = len(corpus)
        corpus.extend(tokens)
        self._add(number, start)

    def propose(self, span: Sequence[int], most: int) -> Guess:
        """Up to `most` tokens that may follow `span`; none where nothing matches."""
        opened = len(span)
        if tuple(span) == self._opening[:opened] and len(self._opening) > opened:
            return _guess(self._opening[opened:][:most], _OPENING)
        recent = [*self._before, *span[-_LONGEST:]][-_LONGEST:]
        for length in range(min(_LONGEST, len(recent)), 0, -1):
            place = self._index.get(tuple(recent[-length:]))
            if place is not None:
                number, after = place
                found = tuple(self._corpora[number][after : after + most])
                if found:
                    return _guess(found, self._chances[length])
        return Guess()

    def _add(self, number: int, start: int) -> None:
        """Index the grams whose continuation begins at `start` or later."""
        corpus = self._corpora[number]
        for after in range(max(1, start), len(corpus)):
            for length in range(1, min(_LONGEST, after) + 1):
                self._index[tuple(corpus[after - length : after])] = (number, after)


def _guess(tokens: tuple[int, ...], chances: tuple[float, float]) -> Guess:
    first, further = chances
    return Guess(tokens, (first, *[further] * (len(tokens) - 1)))

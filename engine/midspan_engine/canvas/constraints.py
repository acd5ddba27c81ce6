"""Holds the steps of a canvas to what the request forbids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midspan_engine.canvas.cells import MASK, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midspan_engine.canvas.cells import SpanCanvas
    from midspan_engine.decoding.forbidden import Forbidden
    from midspan_engine.tokenizer import Tokenizer

_GONE = -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """See `Forbidden`; here tokens come in any order.

    Attributes:
        forbidden: The patterns.
        opening: Bytes at the beginning of the span that stand in the prefix already.
        indent: Text of the answer that stands before the span.
    """

    forbidden: Forbidden
    opening: int
    indent: str

    def allowed(self, canvas: SpanCanvas, step: Step, tokenizer: Tokenizer) -> Step:
        """The step without what would complete a forbidden pattern; that is banned in its place."""
        tokens = [cell.token for cell in canvas.cells]
        kept: list[tuple[int, int, float]] = []
        for place, token, logprob in zip(step.places, step.tokens, step.logprobs, strict=True):
            # A mask that expands stays one; a place that goes away joins what stands beside it.
            tokens[place] = {canvas.expand: MASK, canvas.delete: _GONE}.get(token, token)
            if self._offends(tokens, place, tokenizer):
                tokens[place] = MASK
                canvas.cells[place].banned.add(token)
            else:
                kept.append((place, token, logprob))
        return Step(
            places=tuple(place for place, _, _ in kept),
            tokens=tuple(token for _, token, _ in kept),
            logprobs=tuple(logprob for _, _, logprob in kept),
        )

    def _offends(self, tokens: Sequence[int], place: int, tokenizer: Tokenizer) -> bool:
        """Judge the longest run of known cells around `place`, with the text that it touches."""
        if tokens[place] == MASK:
            return False
        first = last = place
        while first > 0 and tokens[first - 1] != MASK:
            first -= 1
        while last + 1 < len(tokens) and tokens[last + 1] != MASK:
            last += 1
        known = [token for token in tokens[first : last + 1] if token != _GONE]
        begins, ends = first == 0, last + 1 == len(tokens)
        spelled = tokenizer.decode_bytes(known)[self.opening if begins else 0 :]
        text = (self.indent if begins else "") + spelled.decode(errors="ignore")
        return self.forbidden.bars(text, begins=begins, ends=ends)

"""What a canvas looks like between two passes, for those who watch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from midspan_engine.decoding.canvas import MASK
from midspan_engine.protocol import Cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midspan_engine.decoding.span_decoder import SpanDecoder
    from midspan_engine.protocol import CellState


def picture(span: SpanDecoder) -> tuple[Cell, ...]:
    """The span's tokens, then what may come after them, without what belongs to the prefix."""
    hidden = span.hidden
    cells: list[Cell] = []
    for token, probability, state in _tokens(span):
        spelled = b"" if token is None else span.tokenizer.token_bytes(token)
        shown, hidden = spelled[hidden:], max(0, hidden - len(spelled))
        if shown or not spelled:
            text = shown.decode(errors="replace")
            cells.append(Cell(text=text, probability=probability, state=state))
    return tuple(cells)


def _tokens(span: SpanDecoder) -> Iterator[tuple[int | None, float, CellState]]:
    canvas = span.canvas
    for token, logprob in zip(canvas.tokens, canvas.logprobs, strict=True):
        yield token, math.exp(logprob), "committed"
    if span.finish:
        return
    for token, chance in zip(canvas.guess.tokens, canvas.guess.chances, strict=True):
        yield token, chance, "guess"
    beliefs = canvas.beliefs
    for place, cell in enumerate(canvas.cells[0] if canvas.cells else ()):
        known = place < len(beliefs.tokens)
        yield (
            beliefs.tokens[place] if known else None,
            beliefs.chances[place] if known else 0.0,
            "mask" if cell == MASK else "guess",
        )

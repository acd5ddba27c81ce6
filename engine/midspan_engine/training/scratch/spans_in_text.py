"""Several holes in one stretch of text, shaped as completions are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.training.spans import column_of, line_count, stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

_KINDS = ("rest_of_line", "inside", "line", "lines")
_SHARES = (0.35, 0.2, 0.25, 0.2)
_MOST_LINES_BETWEEN = 5
_BREAK_SHARE = 0.2


def cut_holes(text: str, rng: np.random.Generator, most: int | None = None) -> list[str]:
    """Text and holes in turn: the pieces with odd index are holes; joined they are `text`.

    Args:
        text: Source code.
        rng: Decides places and kinds.
        most: Holes; None for as many as there is room for, a few lines apart.
    """
    lines = text.splitlines(keepends=True)
    starts = np.cumsum([0, *map(len, lines)])
    pieces: list[str] = []
    done = 0
    line = _skip(rng) if most is None else int(rng.integers(max(1, len(lines) - 1)))
    while line < len(lines) and (most is None or len(pieces) < 2 * most):
        hole = _hole(text, lines, starts, line, rng)
        if hole is not None and hole[0] >= done:
            pieces += [text[done : hole[0]], text[hole[0] : hole[1]]]
            done = hole[1]
            line = int(np.searchsorted(starts, done, side="right")) - 1
        line += 1 + (_skip(rng) if most is None else 0)
    return [*pieces, text[done:]]


def _skip(rng: np.random.Generator) -> int:
    return int(rng.integers(_MOST_LINES_BETWEEN))


def _hole(
    text: str, lines: Sequence[str], starts: np.ndarray, line: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    if not lines[line].strip():
        return None
    kind = str(rng.choice(_KINDS, p=_SHARES))
    last = min(line + line_count(kind, rng), len(lines))
    begin, end = int(starts[line]), int(starts[last])
    if kind == "inside":
        begin, end = stretch(text, begin, end, rng)
    else:
        begin += column_of(lines[line], kind, rng)
        # The line break after the span belongs to what follows, now and then to the span.
        if text[begin:end].endswith("\n") and rng.random() > _BREAK_SHARE:
            end -= 1
    return (begin, end) if text[begin:end].strip() else None

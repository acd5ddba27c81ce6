"""Holes of at most a line in the packages that a training from nothing has held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.training.scratch.spans_in_text import cut_holes
from midspan_engine.training.scratch.stream import Stream

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.tokenizer import Tokenizer

_WINDOW = 448
_LONGEST = 64
"""Characters of a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A hole, and the text that stood in it."""

    prefix: str
    middle: str
    suffix: str


def read_held_out(run: Path) -> Stream:
    """The held-out text of a run.

    Raises:
        FileNotFoundError: nothing was trained there; the text says what to run.
    """
    path = run / "held_out.npz"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `midspan train scratch --run {run}`")
    with np.load(path) as raw:
        return Stream(tokens={name: raw[name] for name in raw.files})


def draw_gaps(
    stream: Stream, tokenizer: Tokenizer, count: int, rng: np.random.Generator
) -> list[Gap]:
    """Holes with text on both sides."""
    gaps: list[Gap] = []
    while len(gaps) < count:
        text = tokenizer.decode(stream.window(rng, _WINDOW).tolist())
        pieces = cut_holes(text, rng, 1)
        if len(pieces) != 3:
            continue
        prefix, middle, suffix = pieces
        is_short = len(middle) <= _LONGEST and "\n" not in middle
        if is_short and min(len(prefix), len(suffix)) > _LONGEST:
            gaps.append(Gap(prefix=prefix, middle=middle, suffix=suffix))
    return gaps

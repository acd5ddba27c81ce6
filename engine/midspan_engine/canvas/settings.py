"""How a canvas model is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from midspan_engine.canvas.policy import LIKELY, Sampling

if TYPE_CHECKING:
    from midspan_engine.decoding.unmask import Select

LengthRule = Literal["expand", "cascade", "fixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasConfig:
    """How spans are decoded.

    Attributes:
        prefix_tokens: Most tokens of the context before the span.
        suffix_tokens: Most tokens of the context after it.
        masks: How many a span begins with.
        select: Which masks a pass fills.
        refresh_every: Passes between two that compute the context again; 1 is exact, 0 never.
        refresh_cells: Cells that may change before the context is computed again.
        near_tokens: Tokens of the context on either side of the span that every pass computes.
        close_call: Beside a cached context log-probabilities are a little off. A pass that might
            decide otherwise if they were off by this much is done again with a fresh context; 0
            for none.
        revise_below: Committed tokens that are less likely than this are masked again once.
        revisions: Most tokens that are masked again.
        length: How its length is found: `expand` where the model has tokens for it, `cascade` by
            trying several, `fixed` as it begins.
        lengths: What the cascade tries; the first look costs one pass, and one mask too many or too
            few spoils a line.
        finalists: How many of them it decodes to the end.
        sampling: How tokens are drawn.
        syntax: Mask again what makes the file's grammar fail.
    """

    prefix_tokens: int = 320
    suffix_tokens: int = 128
    masks: int = 8
    select: Select = field(default=LIKELY)
    refresh_every: int = 0
    refresh_cells: int = 24
    near_tokens: int = 16
    close_call: float = 0.1
    revise_below: float = math.log(0.3)
    revisions: int = 0
    length: LengthRule = "expand"
    lengths: tuple[int, ...] = (*range(1, 17), 20, 24)
    finalists: int = 2
    sampling: Sampling = field(default_factory=Sampling)
    syntax: bool = False

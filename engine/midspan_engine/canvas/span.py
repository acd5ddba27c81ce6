"""One span of a canvas model: its cells, what it has to begin with, and its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.canvas.cells import MASK
from midspan_engine.decoding.span import SpanRule
from midspan_engine.protocol import Cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from midspan_engine.canvas.cells import SpanCanvas, SpanCell
    from midspan_engine.canvas.constraints import Constraints
    from midspan_engine.canvas.context import CanvasContext
    from midspan_engine.canvas.policy import Unmasker
    from midspan_engine.canvas.syntax import GrammarHold
    from midspan_engine.protocol import Finish, InfillRequest
    from midspan_engine.tokenizer import Tokenizer


class CanvasSpan:
    """Fills one canvas.

    Args:
        canvas: Masks, and what is demanded.
        request: Read for the ending rule.
        context: What stands around it.
        tokenizer: Of the loaded model.
        unmasker: Chooses masks and tokens.
        constraints: What the text must not hold; None for anything.
        grammar: Refuses what nothing could follow; None for no such check.
    """

    def __init__(
        self,
        canvas: SpanCanvas,
        request: InfillRequest,
        context: CanvasContext,
        tokenizer: Tokenizer,
        unmasker: Unmasker,
        constraints: Constraints | None = None,
        grammar: GrammarHold | None = None,
    ) -> None:
        self.canvas = canvas
        self.context = context
        self.tokenizer = tokenizer
        self.unmasker = unmasker
        self.constraints, self.grammar = constraints, grammar
        self.finish: Finish | None = None
        self.changed = 0
        """Cells that changed since the context was computed."""
        self.suffix_logprob = 0.0
        self._rule = SpanRule.of(request)
        self._whole: list[SpanCell] | None = None

    @property
    def is_full(self) -> bool:
        """Whether no mask is left."""
        return not self.canvas.masks

    @property
    def text(self) -> str:
        """What the known cells say up to the first mask, as far as it belongs to the answer."""
        return self._cut(self._spelled(self._leading()))[0]

    def beginning(self) -> tuple[str, bool]:
        """Like `text`, and whether the text after the hole follows it."""
        text, ending = self._cut(self._spelled(self._leading()))
        return text, ending is not None or self.is_full

    @property
    def mean_logprob(self) -> float:
        """Of the tokens, 0 where there are none."""
        values = self.canvas.logprobs
        return float(np.mean(values)) if values else 0.0

    @property
    def lowest_logprob(self) -> float:
        """Of the least certain token, 0 where there are none."""
        return min(self.canvas.logprobs, default=0.0)

    @property
    def inner_logprob(self) -> float:
        """Mean over everything that was decided, what was taken away included."""
        values = [*self.canvas.logprobs, *self.canvas.deletes]
        return float(np.mean(values)) if values else 0.0

    def rows(self, mask: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Token ids of the span and what leads it, and the rows that predict its masks."""
        ids = np.concatenate([self.context.lead, self.canvas.ids(mask)])
        return ids, np.array(self.canvas.masks, np.int32) + np.int32(self.context.offset)

    def step(self, logits: NDArray[np.float32]) -> None:
        """Take one pass: commit what is certain, and end where the text has ended."""
        step = self.unmasker.step(self.canvas, logits, self._opening())
        stuck = not step.places
        if self.constraints is not None:
            step = self.constraints.allowed(self.canvas, step, self.tokenizer)
        self.canvas.commit(step)
        self.changed += len(step.places)
        if self.grammar is not None and (place := self.grammar.offending(self)) is not None:
            self.canvas.refuse([place])
        self._end_where_the_text_ends()
        if self.finish is None and self.is_full:
            self.finish = "eos"
        if self.finish is not None:
            self._whole = None
        elif stuck or self.canvas.exhausted:
            self.stop("stop")

    def is_close(self, logits: NDArray[np.float32], within: float) -> bool:
        """Whether a pass that differs by `within` nats might be taken otherwise."""
        return self.unmasker.is_close(self.canvas, logits, within, self._opening())

    def stop(self, finish: Finish) -> None:
        """End it as it is: what stands behind the first mask is no use."""
        if self._whole is not None:
            self.put_back(self._whole)
            return
        if self.canvas.masks:
            self.canvas.cut(self.canvas.masks[0])
        self.finish = finish

    def open_again(self, places: Iterable[int], *, refused: Iterable[int] = ()) -> None:
        """Mask cells of a full span again; it is put back where it is stopped before it is full.

        Args:
            places: Index of each cell.
            refused: Those of them in which the same token must not come back.
        """
        self._whole = list(self.canvas.cells)
        self.canvas.refuse(refused)
        self.canvas.mask_again(places)
        self.finish = None

    def put_back(self, cells: Sequence[SpanCell]) -> None:
        """Make it full again, with what stood there before."""
        self.canvas.cells = list(cells)
        self._whole, self.finish = None, "eos"

    def answer(self) -> tuple[str, Finish]:
        """The text, and why it ends there."""
        text, ending = self._cut(self._spelled(self.canvas.tokens))
        return text, ending or self.finish or "eos"

    def picture(self) -> tuple[Cell, ...]:
        """The cells as they are, for those who watch."""
        indent = self.context.indent
        cells = [Cell(text=indent, probability=1.0, state="committed")] if indent else []
        for place, cell in enumerate(self.canvas.cells):
            masked = cell.token == MASK
            token, logprob = (cell.belief or (MASK, -np.inf)) if masked else (
                cell.token, cell.logprob
            )  # fmt: skip
            spelled = b"" if token == MASK else self.tokenizer.token_bytes(token)
            # The first token spells all that is pending.
            shown = spelled if place else spelled[len(self.context.pending) :]
            cells.append(
                Cell(
                    text=shown.decode(errors="replace"),
                    probability=float(np.exp(logprob)),
                    state="mask" if masked else "committed",
                )
            )
        return tuple(cells)

    def _opening(self) -> NDArray[np.int64] | None:
        """Tokens that spell what stands before the cursor already; None for any."""
        if not self.context.pending:
            return None
        return np.array(self.tokenizer.ids_with_prefix(self.context.pending), np.int64)

    def _leading(self) -> list[int]:
        return [cell.token for cell in self.canvas.cells[: self.canvas.known]]

    def _spelled(self, tokens: Sequence[int]) -> str:
        spelled = self.tokenizer.decode_bytes(tokens)[len(self.context.pending) :]
        return self.context.indent + spelled.decode(errors="ignore")

    def _cut(self, text: str) -> tuple[str, Finish | None]:
        ending = self._rule.ending(text)
        return (text, None) if ending is None else (ending.text, ending.finish)

    def _end_where_the_text_ends(self) -> None:
        """Drop what is behind the earliest ending, or refuse that ending."""
        leading = self._leading()
        if self._cut(self._spelled(leading))[1] is None:
            return
        for count in range(1, len(leading) + 1):
            text, ending = self._cut(self._spelled(leading[:count]))
            if ending is None:
                continue
            if self._must_not_end(count, text):
                self.canvas.refuse([count - 1])
            else:
                self.canvas.cut(count)
                self.finish = ending
            return

    def _must_not_end(self, count: int, text: str) -> bool:
        """Whether what is demanded stands behind, or the text after the hole makes it forbidden."""
        cells = self.canvas.cells
        if cells[count - 1].fixed:
            return False
        if any(cell.fixed for cell in cells[count:]):
            return True
        return self.constraints is not None and self.constraints.forbidden.bars(text)

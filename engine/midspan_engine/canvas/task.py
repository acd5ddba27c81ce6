"""A completion of a canvas model from prompt to answer, pass by pass."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Generator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.canvas.cells import SpanCanvas
from midspan_engine.canvas.constraints import Constraints
from midspan_engine.canvas.length import SUFFIX_PROBE, finalists, first_look, probe_logprob
from midspan_engine.canvas.policy import Unmasker, doubtful
from midspan_engine.canvas.required import Required
from midspan_engine.canvas.span import CanvasSpan
from midspan_engine.canvas.syntax import GrammarHold, SyntaxGate
from midspan_engine.decoding.forbidden import Forbidden
from midspan_engine.decoding.task import Clock
from midspan_engine.decoding.unmask import Fixed
from midspan_engine.protocol import Choice, DecodeStats, Infill, Partial, RequestRejected
from midspan_engine.runtime.canvas_rows import CanvasPass, CanvasScores, ContextCache

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from midspan_engine.canvas.context import CanvasContext
    from midspan_engine.canvas.settings import CanvasConfig
    from midspan_engine.decoding.confidence import Calibration
    from midspan_engine.models.family import CanvasMarks, ModelFamily
    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer

CanvasPasses = Generator[list[CanvasPass], list[CanvasScores], None]
_ALTERNATIVE = 0.7
"""Temperature of the answers after the first."""
_MOST_CELLS = 96
_SYNTAX_TRIES = 2


class CanvasTask:
    """See `decoding.task.Task`.

    Args:
        request: What was asked.
        context: Its token ids.
        tokenizer: Of the loaded model.
        family: What the loaded model is.
        config: How it is decoded.
        calibration: Turns scores into the confidence of a choice.
        gate: Judges the syntax, of beginnings and of the result; None for no such check.
        usual: See `length.finalists`.
        on_partial: Called after each pass when the request wants a stream.
        arrived: `time.perf_counter()` when the request came in.

    Raises:
        RequestRejected: what the request forbids or requires cannot be kept.
    """

    is_urgent = True

    def __init__(
        self,
        request: InfillRequest,
        context: CanvasContext,
        *,
        tokenizer: Tokenizer,
        family: ModelFamily,
        config: CanvasConfig,
        calibration: Calibration,
        gate: SyntaxGate | None = None,
        usual: dict[int, float] | None = None,
        on_partial: Callable[[Partial], None] | None = None,
        arrived: float | None = None,
    ) -> None:
        assert family.marks is not None
        self.request, self.context = request, context
        self.tokenizer, self.family, self.config = tokenizer, family, config
        self.calibration, self.gate, self.usual = calibration, gate, usual or {}
        self.on_partial = on_partial
        self.marks: CanvasMarks = family.marks
        self.spans: list[CanvasSpan] = []
        self._forbidden = Forbidden.of(request)
        self._required = Required.of(request, tokenizer, min(request.max_tokens, _MOST_CELLS))
        if family.block and request.require:
            raise RequestRejected("bad_request", "require: not for models that decode in blocks")
        self._cache = ContextCache(prefix=context.prefix, suffix=context.suffix)
        self._clock = Clock.since(arrived)
        self._passes = 0
        self._since_refresh = 0

    def passes(self) -> CanvasPasses:
        """Yield the rows of each pass and receive its scores, until done."""
        self._clock.started = time.perf_counter()
        if self._grows or self.config.length == "fixed" or self.family.block:
            self.spans = [self._span(self._first_masks())]
            yield from self._denoise(self.spans)
            yield from self._alternatives()
        else:
            yield from self._cascade()
        yield from self._mend_syntax()

    def result(self) -> Infill:
        """The answer, best alternative first. Call when `passes` is exhausted."""
        self._clock.finished = time.perf_counter()
        choices: dict[str, Choice] = {}
        for span in self.spans[: self.request.n]:
            choice = self._choice(span)
            # What was stopped half way may break off where neither was looked at.
            barred = self._forbidden is not None and self._forbidden.bars(choice.text)
            if not barred and self._required.are_in(choice.text):
                choices.setdefault(choice.text, choice)
        return Infill(
            id=self.request.id,
            document_version=self.request.document_version,
            choices=tuple(choices.values()),
            stats=self._stats(),
        )

    def cancelled(self) -> Infill:
        """See `Task`."""
        return Infill(id=self.request.id, document_version=self.request.document_version)

    @property
    def _grows(self) -> bool:
        return self.config.length == "expand" and self.marks.expand is not None

    def _first_masks(self) -> int:
        block = self.family.block
        return block - self.context.length % block if block else self.config.masks

    def _span(self, wanted: int, *, seed: int | None = None) -> CanvasSpan:
        marks, config, required = self.marks, self.config, self._required
        # The first block is filled as a whole; what is too much of it is dropped at its end.
        masks = wanted if self.family.block else required.masks(wanted)
        canvas = SpanCanvas(
            masks,
            most=max(required.most, masks),
            expand=marks.expand if self._grows else None,
            delete=marks.delete if self._grows else None,
            required=required.runs,
        )
        sampling = config.sampling
        if seed is not None:
            sampling = dataclasses.replace(sampling, temperature=_ALTERNATIVE, seed=seed)
        steps = self.request.steps
        select = Fixed(-(-len(canvas.masks) // steps)) if steps else config.select
        unmasker = Unmasker(select, self._never, sampling)
        constraints = None
        if self._forbidden is not None:
            constraints = Constraints(
                forbidden=self._forbidden,
                opening=len(self.context.pending),
                indent=self.context.indent,
            )
        # What a block holds behind its end mark is dropped, and no grammar need accept it.
        grammar = None if self.gate is None or self.family.block else GrammarHold(self.gate)
        return CanvasSpan(
            canvas, self.request, self.context, self.tokenizer, unmasker, constraints, grammar
        )

    @cached_property
    def _never(self) -> list[int]:
        """Marks that mean nothing in a span, and ids without a token."""
        marks, size = self.marks, self.family.config.vocab_size
        kept = {marks.end} if self.family.block else set()
        kept |= {marks.expand, marks.delete} if self._grows else set()
        never = {*self.tokenizer.marks, marks.mask, *range(self.tokenizer.vocab_size, size)}
        return [token for token in never - kept if token < size]

    def _denoise(self, spans: Sequence[CanvasSpan]) -> CanvasPasses:
        """Fill the spans side by side; one alone may have its context computed again."""
        revised = False
        while running := [span for span in spans if span.finish is None]:
            if self._out_of_time() and self._passes:
                for span in running:
                    span.stop("budget")
                    self._end_of_block(span)
                return
            refresh = not self._cache.layers or (len(spans) == 1 and self._is_stale(running[0]))
            # The context is computed beside one span only; the others follow in the next pass.
            chosen = running[:1] if refresh else running
            scores = yield from self._pass(chosen, refresh=refresh)
            if len(spans) == 1 and not refresh and self._is_close(running[0], scores):
                scores = yield from self._pass(chosen, refresh=True)
            for span, logits in zip(chosen, scores.logits, strict=True):
                span.step(logits)
                self._end_of_block(span)
            if spans[0] is self.spans[0]:  # nobody waits to see the alternatives grow
                self._show(spans[0])
            if not revised and len(spans) == 1:
                revised = self._revise(spans[0])

    def _pass(
        self, spans: Sequence[CanvasSpan], *, refresh: bool
    ) -> Generator[list[CanvasPass], list[CanvasScores], CanvasScores]:
        rows = [span.rows(self.marks.mask) for span in spans]
        one = CanvasPass(
            context=self._cache,
            slots=tuple(ids for ids, _ in rows),
            wanted=tuple(places for _, places in rows),
            refresh=refresh,
            # Slots side by side would each compute a window of their own.
            near=self._near if len(spans) == 1 and not refresh else 0,
        )
        scores = yield [one]
        if refresh:
            self._since_refresh = 0
            for span in spans:
                span.changed = 0
        else:
            self._since_refresh += 1
        self._count_pass()
        return scores[0]

    def _count_pass(self) -> None:
        if not self._passes:
            self._clock.encoded = time.perf_counter()
        self._passes += 1

    def _is_stale(self, span: CanvasSpan) -> bool:
        config = self.config
        late = 0 < config.refresh_every <= self._since_refresh + 1
        return not self.family.block and (late or span.changed >= config.refresh_cells)

    @property
    def _near(self) -> int:
        # What blocks have cached has seen nothing of the span.
        return 0 if self.family.block else self.config.near_tokens

    def _is_close(self, span: CanvasSpan, scores: CanvasScores) -> bool:
        """Whether what the cached context is off by might decide."""
        if self.family.block or not span.changed or self.request.steps or self._out_of_time():
            return False
        return span.is_close(scores.logits[0], self.config.close_call)

    def _end_of_block(self, span: CanvasSpan) -> None:
        """A block that is full goes on in the next one, unless its end mark is there."""
        if not self.family.block or span.finish is None:
            return
        canvas, most = span.canvas, self.request.max_tokens
        tokens = canvas.tokens
        if self.marks.end in tokens:
            canvas.cut(tokens.index(self.marks.end))
            canvas.closed = True
        elif span.finish == "eos" and canvas.grow(self.family.block):
            span.finish = None
        elif span.finish == "eos" and not canvas.closed:
            span.finish = "length"
        if len(canvas.cells) > most and span.finish is not None:
            canvas.cut(most)
            span.finish = "length"

    def _revise(self, span: CanvasSpan) -> bool:
        """Once the span is full: mask the least certain cells again (ReMDM, WINO)."""
        if span.finish != "eos" or not self.config.revisions:
            return False
        places = doubtful(span.canvas, self.config.revise_below, self.config.revisions)
        if places:
            span.open_again(places)
        return True

    def _alternatives(self) -> CanvasPasses:
        """Other answers, drawn rather than chosen, side by side."""
        if self.request.n < 2 or self._out_of_time():  # noqa: PLR2004 - the first is there
            return
        masks = self._first_masks()
        if not self.family.block and not self._required.runs:
            masks = max(1, len(self.spans[0].canvas.cells))
        others = [self._span(masks, seed=seed) for seed in range(1, self.request.n)]
        yield from self._denoise(others)
        whole = [span for span in others if span.finish != "budget"]
        self.spans += sorted(whole, key=lambda span: -span.mean_logprob)

    def _cascade(self) -> CanvasPasses:
        """Try several lengths; see `length`."""
        lengths = sorted({self._required.masks(length) for length in self.config.lengths})
        spans = [self._span(length) for length in lengths]
        middle = spans[len(spans) // 2]
        yield from self._pass([middle], refresh=True)
        scores = yield from self._pass(spans, refresh=False)
        looks = [first_look(logits, self._never) for logits in scores.logits]
        count = max(self.config.finalists, self.request.n)
        best = finalists(looks, lengths, self.usual, count)
        chosen = self.spans = [spans[index] for index in best]
        for index in best:
            spans[index].step(scores.logits[index])
        yield from self._denoise(chosen)
        yield from self._probe(chosen)
        chosen.sort(key=lambda span: -(span.inner_logprob + span.suffix_logprob))

    def _probe(self, spans: Sequence[CanvasSpan]) -> CanvasPasses:
        """Likelihood of the first suffix tokens after each span, all in one pass."""
        probe = self.context.suffix[:SUFFIX_PROBE]
        if not len(probe) or len(spans) < 2 or self._out_of_time():  # noqa: PLR2004 - to compare
            return
        slots, wanted = [], []
        for span in spans:
            ids, _ = span.rows(self.marks.mask)
            start = self.context.offset + len(span.canvas.cells)
            slots.append(np.concatenate([ids, np.full(len(probe), self.marks.mask, np.int32)]))
            wanted.append(np.arange(start, start + len(probe), dtype=np.int32))
        scores = yield [
            CanvasPass(
                context=self._cache,
                slots=tuple(slots),
                wanted=tuple(wanted),
                hidden_suffix=len(probe),
            )
        ]
        self._count_pass()
        for span, logits in zip(spans, scores[0].logits, strict=True):
            span.suffix_logprob = probe_logprob(logits, probe)

    def _mend_syntax(self) -> CanvasPasses:
        """Mask again what the grammar of the file does not accept, a few times at most."""
        gate, span = self.gate, self.spans[0]
        if gate is None:
            return
        suspect = 0
        for _ in range(_SYNTAX_TRIES):
            if span.finish != "eos" or self._out_of_time():
                return
            places = gate.offending(span)
            if suspect >= len(places):
                return
            cells, errors = list(span.canvas.cells), gate.errors(span.answer()[0])
            # One token is refused at a time: the others may be right, and come back.
            span.open_again(places, refused=places[suspect : suspect + 1])
            yield from self._denoise([span])
            better = gate.errors(span.answer()[0]) < errors
            suspect = 0 if better else suspect + 1
            if not better:
                span.put_back(cells)

    def _show(self, span: CanvasSpan) -> None:
        if self.on_partial and self.request.stream:
            cells = span.picture() if self.request.canvas else ()
            self.on_partial(Partial(id=self.request.id, text=span.text, cells=cells))

    def _out_of_time(self) -> bool:
        return self._clock.is_over(self.request.budget_ms)

    def _choice(self, span: CanvasSpan) -> Choice:
        text, finish = span.answer()
        confidence = self.calibration.probability(
            mean_logprob=span.mean_logprob,
            lowest_logprob=span.lowest_logprob,
            suffix_logprob=span.suffix_logprob,
            tokens=len(span.canvas.tokens),
        )
        return Choice(
            text=text,
            finish=finish,
            confidence=confidence if math.isfinite(confidence) else 0.0,
            mean_logprob=span.mean_logprob,
            suffix_logprob=span.suffix_logprob,
            cells=span.picture() if self.request.canvas else (),
        )

    def _stats(self) -> DecodeStats:
        counts = DecodeStats(
            passes=self._passes,
            tokens=sum(len(span.canvas.tokens) for span in self.spans),
            prompt_tokens=self.context.length,
        )
        return self._clock.timed(counts)


def refuse_chat(request: InfillRequest) -> None:
    """Canvas models of ours know no turns.

    Raises:
        RequestRejected: the request is a conversation.
    """
    if request.chat:
        raise RequestRejected("bad_request", "the loaded model fills spans and knows no turns")

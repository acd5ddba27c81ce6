"""A next edit from prompt to answer, pass by pass; the region as it stands is the first draft."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midspan_engine.decoding.alignment import changed_tokens
from midspan_engine.decoding.canvas import Canvas
from midspan_engine.decoding.drafts import LookupDraft
from midspan_engine.decoding.edit_prompt import EditWindow
from midspan_engine.decoding.guess import NO_GUESS, better
from midspan_engine.decoding.likelihood import LikelihoodConfig
from midspan_engine.decoding.region_draft import LOOK_UP_CHANCES, RegionDraft
from midspan_engine.decoding.repeated import repeated
from midspan_engine.decoding.sessions import claim, encode_context
from midspan_engine.decoding.task import Clock
from midspan_engine.decoding.unmask import Tolerant, verify
from midspan_engine.protocol import DecodeStats, Edited

if TYPE_CHECKING:
    from midspan_engine.decoding.guess import Guess
    from midspan_engine.decoding.prompt import Prompt
    from midspan_engine.decoding.sessions import Session, SessionTable
    from midspan_engine.decoding.task import Passes
    from midspan_engine.decoding.unmask import Policy
    from midspan_engine.protocol import EditFinish, EditRequest
    from midspan_engine.runtime.rows import RowGroup, RowScores
    from midspan_engine.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteConfig:
    """How regions are rewritten; none of it changes what `verified` returns.

    Attributes:
        window: Most tokens of each part of the prompt, as in training.
        chunk: Most context rows of one pass; smaller than that of completions, which may come
            while it runs and have to wait.
        rows: Most rows of a pass; 1 is plain autoregressive decoding.
        row_worth: Smallest probability that a row confirms one more token. Copying yields many
            tokens a pass anyway, so a row has to promise more than in a completion.
        growth: Most tokens that an answer may have more than the region, whatever `max_tokens`
            says: of 2,764 edits between releases none had more, and a model that runs on has lost
            its way.
        tolerance: As in `DecodeConfig`.
        likelihood: How it is told which regions became unlikely.
    """

    window: EditWindow = field(default_factory=EditWindow)
    chunk: int = 96
    rows: int = 32
    row_worth: float = 0.3
    growth: int = 96
    tolerance: float = 0.3
    likelihood: LikelihoodConfig = field(default_factory=LikelihoodConfig)


class RewriteTask:
    """See `task.Task`.

    Args:
        request: What was asked.
        prompt: Its token ids, in one causal run.
        session: Whose cache it uses; it must not be used by another task meanwhile.
        sessions: Gives room.
        tokenizer: Of the loaded model.
        config: See `RewriteConfig`.
        arrived: `time.perf_counter()` when the request came in.
    """

    is_urgent = False

    def __init__(
        self,
        request: EditRequest,
        prompt: Prompt,
        session: Session,
        *,
        sessions: SessionTable,
        tokenizer: Tokenizer,
        config: RewriteConfig,
        arrived: float | None = None,
    ) -> None:
        self.request = request
        self.prompt = prompt
        self.session = session
        self.sessions = sessions
        self.tokenizer = tokenizer
        self.config = config
        self.finish: EditFinish | None = None
        self._original = tokenizer.encode(request.region)
        self._most = min(request.max_tokens, len(self._original) + config.growth)
        self._draft: RegionDraft | None = None
        self._tokens: list[int] = []
        self._logprobs: list[float] = []
        self._edit_probability = 0.0
        self._clock = Clock.since(arrived)
        self._passes = 0
        self._drafted = 0
        self._accepted = 0
        self._cached = 0

    def passes(self) -> Passes:
        """See `task.Task`."""
        self._clock.started = time.perf_counter()
        self.session.running += 1
        try:
            context = yield from encode_context(
                self.sessions,
                self.session,
                self.prompt,
                chunk=self.config.chunk,
                room=self.config.rows + self._most,
                is_over=self._is_over,
            )
            if context is not None:
                self._cached = context.cached
                yield from self._rewrite(context.last)
        finally:
            self.session.running -= 1
            self.session.sequence.length = len(self.session.head) + len(self.session.tail)

    def result(self) -> Edited:
        """See `task.Task`."""
        self._clock.finished = time.perf_counter()
        finish, text = self.finish or "budget", ""
        if finish == "budget":
            self._clock.encoded = self._clock.encoded or self._clock.finished
        if finish == "edit":
            text = self._text()
            is_edit = bool(self._tokens) and text != self.request.region
            finish = "edit" if is_edit else "no_edit"
        logprobs = self._changed_logprobs() if finish == "edit" else []
        return Edited(
            id=self.request.id,
            document_version=self.request.document_version,
            finish=finish,
            text=text if finish == "edit" else "",
            edit_probability=self._edit_probability,
            mean_logprob=sum(logprobs) / len(logprobs) if logprobs else 0.0,
            lowest_logprob=min(logprobs, default=0.0),
            stats=self._stats(),
        )

    def cancelled(self) -> Edited:
        """See `task.Task`."""
        version = self.request.document_version
        return Edited(id=self.request.id, document_version=version, finish="cancelled")

    def _rewrite(self, last: RowGroup | None) -> Passes:
        """Decode until the end mark; `last` of the context joins the first pass."""
        canvas = Canvas(self.session.sequence, self.prompt.middle_mark)
        policy = self._policy()
        while self.finish is None:
            if canvas.tokens and self._is_over():
                return
            canvas.guess = self._guess(canvas)
            group = canvas.rows()
            end = group.start + len(group.ids) + 1
            self.sessions.reserve(self.session, group.sequence, end)
            scores = (yield [group if last is None else last.then(group)])[0]
            last = None
            self._passes += 1
            if not canvas.tokens:
                self._context_done(scores)
            self._step(canvas, scores, policy)

    def _is_over(self) -> bool:
        return self._clock.is_over(self.request.budget_ms)

    def _context_done(self, scores: RowScores) -> None:
        """The row behind the context says whether anything is to change at all."""
        claim(self.session, self.prompt)
        self._clock.encoded = time.perf_counter()
        end = scores.logprob(0, self.tokenizer.special.eos)
        self._edit_probability = -math.expm1(min(end, 0.0))

    def _guess(self, canvas: Canvas) -> Guess:
        """Nothing for the first token: most often it says that there is no edit."""
        if self._draft is None:
            return NO_GUESS
        most = self.config.rows - 1
        least = self.config.row_worth
        guess = self._draft.propose(canvas.tokens, most, least)
        return better(guess, canvas.guess.cut(most, least))

    def _first(self, scores: RowScores, row: int) -> tuple[int, float]:
        """The first token; the end mark where nothing is to change."""
        least = self.request.edit_from
        if least is None:
            return _likeliest(scores, row)
        if self._edit_probability < least:
            end = self.tokenizer.special.eos
            return end, scores.logprob(row, end)
        token = next(int(one) for one in scores.top_ids[row] if one not in self.tokenizer.marks)
        return token, scores.logprob(row, token)

    def _step(self, canvas: Canvas, scores: RowScores, policy: Policy) -> None:
        before, guesses = len(canvas.tokens), canvas.guess.tokens
        commit = policy(canvas, scores, _likeliest if canvas.tokens else self._first)
        canvas.commit(commit)
        new = canvas.tokens[before:]
        self._drafted += len(guesses)
        self._accepted += min(len(new) - 1, len(guesses))
        marks = self.tokenizer.marks
        ended = next((place for place, token in enumerate(new) if token in marks), len(new))
        self._tokens += new[:ended]
        self._logprobs += canvas.logprobs[before : before + ended + 1]
        if len(self._tokens) >= self._most:
            del self._tokens[self._most :]
            self.finish = "length"
        elif ended < len(new):
            self.finish = "edit"
        elif self.config.rows > 1:
            # Most requests end with the first pass, so it is made no earlier.
            self._draft = self._draft or self._new_draft()
            self._draft.extend(new)

    def _policy(self) -> Policy:
        if self.request.effort == "verified":
            return verify
        return Tolerant(math.log(self.config.tolerance))

    def _new_draft(self) -> RegionDraft:
        """The region with the newest change made in it too, and as it stands."""
        end = self.tokenizer.special.eos
        references = [[*self._original, end]]
        if self.request.history:
            expected = repeated(self.request.history[-1].diff, self.request.region)
            if expected != self.request.region:
                references.insert(0, [*self.tokenizer.encode(expected), end])
        prompt = self.prompt.head
        look_up = LookupDraft([prompt, []], prompt[-1:], chances=LOOK_UP_CHANCES)
        return RegionDraft(references, look_up)

    def _text(self) -> str:
        """The answer; a region of whole lines stays one, of a blank answer nothing is left."""
        text = self.tokenizer.decode(self._tokens)
        if not text.strip() and self.request.region.strip():
            return ""
        broken = text and self.request.region.endswith("\n") and not text.endswith("\n")
        return text + "\n" if broken else text

    def _changed_logprobs(self) -> list[float]:
        """Of the tokens that differ from the region, the end mark where something is cut off.

        All of them where nothing is left: a line break of the region is none that was kept.
        """
        if not self._text():
            return self._logprobs
        end = self.tokenizer.special.eos
        flags = changed_tokens([*self._original, end], [*self._tokens, end])
        return [value for value, flag in zip(self._logprobs, flags, strict=True) if flag]

    def _stats(self) -> DecodeStats:
        counts = DecodeStats(
            passes=self._passes,
            tokens=len(self._tokens),
            drafted=self._drafted,
            accepted=self._accepted,
            prompt_tokens=self.prompt.length,
            cached_tokens=self._cached,
        )
        return self._clock.timed(counts)


def _likeliest(scores: RowScores, row: int) -> tuple[int, float]:
    token = int(scores.top_ids[row, 0])
    return token, float(scores.top_logits[row, 0] - scores.log_normaliser[row])

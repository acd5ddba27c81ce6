"""How much less likely a text became by what the person did: a place that may need an edit.

Each passage is read twice, with the history before it and without, in one causal run each. The
history stands first, as in the prompt of a next edit, so it is encoded once for all passages and
for the edits that are asked for afterwards.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midspan_engine.decoding.edit_prompt import (
    LONGEST_TOKEN,
    EditWindow,
    Marks,
    encode_history,
    within,
)
from midspan_engine.decoding.prompt import common_length
from midspan_engine.decoding.task import Clock
from midspan_engine.protocol import DecodeStats, Likelihoods
from midspan_engine.runtime.rows import RowGroup

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from midspan_engine.decoding.sessions import Session, SessionTable
    from midspan_engine.decoding.task import Passes
    from midspan_engine.protocol import LikelihoodFinish, LikelihoodRequest, Passage
    from midspan_engine.runtime.rows import RowScores
    from midspan_engine.tokenizer import Tokenizer

    Measured = Generator[list[RowGroup], list[RowScores], list[float] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodConfig:
    """How passages are read.

    Attributes:
        window: Of the history, as in the prompt of a next edit.
        before: Most tokens before a passage.
        text: Most tokens of a passage; what is behind them is not read.
        chunk: Most rows of one pass, as in `RewriteConfig`.
    """

    window: EditWindow = field(default_factory=EditWindow)
    before: int = 48
    text: int = 192
    chunk: int = 96


class LikelihoodTask:
    """See `task.Task`.

    Args:
        request: What was asked.
        sessions: Gives the caches: one with the history, one without.
        tokenizer: Of the loaded model.
        config: See `LikelihoodConfig`.
        arrived: `time.perf_counter()` when the request came in.
    """

    is_urgent = False

    def __init__(
        self,
        request: LikelihoodRequest,
        *,
        sessions: SessionTable,
        tokenizer: Tokenizer,
        config: LikelihoodConfig,
        arrived: float | None = None,
    ) -> None:
        self.request, self.config = request, config
        self.sessions, self.tokenizer = sessions, tokenizer
        self.told = sessions.open(request.session)
        self.untold = sessions.open(f"{request.session} untold")
        self.finish: LikelihoodFinish = "done"
        marks = Marks.of_special(tokenizer.special)
        self._file_mark = marks.file
        history = within(request.history, config.window)
        self._history = tuple(encode_history(history, tokenizer.encode, marks, config.window))
        self._losses: list[tuple[float, ...]] = []
        self._clock = Clock.since(arrived)
        self._passes = self._rows = self._cached = 0

    def passes(self) -> Passes:
        """See `task.Task`."""
        self._clock.started = self._clock.encoded = time.perf_counter()
        both = (self.untold, self.told)
        for session in both:
            session.running += 1
        try:
            for passage in self.request.passages:
                losses = yield from self._lost(passage)
                if losses is None:
                    self.finish = "budget"
                    return
                self._losses.append(losses)
        finally:
            for session in both:
                session.running -= 1
                session.sequence.length = len(session.head) + len(session.tail)

    def result(self) -> Likelihoods:
        """See `task.Task`."""
        self._clock.finished = time.perf_counter()
        counts = DecodeStats(
            passes=self._passes, prompt_tokens=self._rows + self._cached, cached_tokens=self._cached
        )
        return Likelihoods(
            id=self.request.id,
            document_version=self.request.document_version,
            finish=self.finish,
            losses=tuple(self._losses),
            stats=self._clock.timed(counts),
        )

    def cancelled(self) -> Likelihoods:
        """See `task.Task`."""
        version = self.request.document_version
        return Likelihoods(id=self.request.id, document_version=version, finish="cancelled")

    def _lost(
        self, passage: Passage
    ) -> Generator[list[RowGroup], list[RowScores], tuple[float, ...] | None]:
        """Nats that each line lost; None where the time ended."""
        config, encode = self.config, self.tokenizer.encode
        before = encode(passage.before[-config.before * LONGEST_TOKEN :])
        whole = passage.text[: config.text * LONGEST_TOKEN]
        ids, places = self.tokenizer.encode_with_offsets(whole)
        text = ids[: config.text]
        path = encode(f"{passage.path}\n")
        head = (self._file_mark, *path, *before[max(0, len(before) - config.before) :])
        untold = yield from self._read(self.untold, (*head, *text), len(text))
        if untold is None:
            return None
        told = yield from self._read(self.told, (*self._history, *head, *text), len(text))
        if told is None:
            return None
        losses = [one - other for one, other in zip(untold, told, strict=True)]
        return _by_line(whole, [start for start, _ in places], losses)

    def _read(self, session: Session, ids: tuple[int, ...], count: int) -> Measured:
        """Log-probabilities of the last `count` ids; None where the time ended."""
        self.sessions.reserve(session, session.sequence, len(ids) + 1)
        first = len(ids) - count
        # The row before the text predicts its first token.
        start = min(common_length(session.head, ids), first - 1)
        session.head, session.tail = ids[:start], ()
        self._cached += start
        found: list[float] = []
        for at in range(start, len(ids) - 1, self.config.chunk):
            if self._clock.is_over(self.request.budget_ms):
                return None
            rows = ids[at : min(at + self.config.chunk, len(ids) - 1)]
            wanted = range(max(0, first - 1 - at), len(rows))
            scores = (yield [RowGroup.causal(session.sequence, at, rows, wanted)])[0]
            self._passes, self._rows = self._passes + 1, self._rows + len(rows)
            session.head = ids[: at + len(rows)]
            following = ids[at + 1 + wanted.start : at + 1 + len(rows)]
            found += scores.logprobs(following)
        return found


def _by_line(text: str, starts: Sequence[int], losses: Sequence[float]) -> tuple[float, ...]:
    """Sums over the lines; a token that ends one and begins the next belongs to the first."""
    sums = [0.0]
    at = 0
    for start, loss in zip(starts, losses, strict=False):
        sums += [0.0] * text.count("\n", at, start)
        sums[-1] += loss
        at = start
    return tuple(sums)

"""Decodes a task in two ways on one loaded network, and what comes of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from infilling_tasks import is_exact, request_for

from midspan_engine.decoding.confidence import DEFAULT, Calibration
from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.engine import Engine

if TYPE_CHECKING:
    from infilling_tasks import Hole, Task, TaskSet

    from midspan_engine.protocol import Effort
    from midspan_engine.runtime import Runtime
    from midspan_engine.tokenizer import Tokenizer

AR: Literal["ar"] = "ar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording(Calibration):
    """The calibration in use, which also keeps what it was asked."""

    lowest: list[float] = field(default_factory=list)

    def probability(
        self, *, mean_logprob: float, lowest_logprob: float, suffix_logprob: float, tokens: int
    ) -> float:
        self.lowest.append(lowest_logprob)
        return Calibration.probability(
            self,
            mean_logprob=mean_logprob,
            lowest_logprob=lowest_logprob,
            suffix_logprob=suffix_logprob,
            tokens=tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One decoding of one task."""

    text: str
    finish: str
    confidence: float
    mean_logprob: float
    lowest_logprob: float
    suffix_logprob: float
    tokens: int
    passes: int
    drafted: int
    accepted: int
    decode_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both decodings of a task: plain greedy and Midspan's."""

    task_id: str
    ar: Answer
    ours: Answer
    ar_exact: bool
    ar_passed: bool
    exact: bool
    passed: bool

    @classmethod
    def of(cls, task: Task, ar: Answer, ours: Answer, *, ar_passed: bool, passed: bool) -> Pair:
        return cls(
            task_id=task.task_id,
            ar=ar,
            ours=ours,
            ar_exact=is_exact(task, ar.text),
            ar_passed=ar_passed,
            exact=is_exact(task, ours.text),
            passed=passed,
        )

    def record(self) -> dict[str, object]:
        """For the JSON-lines file that `--fit` reads: ours at the top, plain greedy below."""
        sides = {"ar": asdict(self.ar), "ar_exact": self.ar_exact, "ar_passed": self.ar_passed}
        judged = {"task_id": self.task_id, "exact": self.exact, "passed": self.passed}
        return judged | asdict(self.ours) | sides


class Decoder:
    """Two engines on one runtime: one with Midspan's decoding, one a row at a time."""

    def __init__(
        self, network: Runtime, tokenizer: Tokenizer, *, probe_suffix: bool, hole: Hole
    ) -> None:
        self.runtime_name = network.name
        self._hole = hole
        self._seen = Recording(**asdict(DEFAULT))
        plain = DecodeConfig(rows=1, look_up=False, probe_suffix=probe_suffix)
        self._plain = Engine(network, tokenizer, config=plain, calibration=self._seen)
        config = DecodeConfig(probe_suffix=probe_suffix)
        self._ours = Engine(network, tokenizer, config=config, calibration=self._seen)
        self._ours.warm_up()
        self._plain.warm_up()

    def run(self, task: Task, which: TaskSet, how: Effort | Literal["ar"], number: int) -> Answer:
        """Decode `task` with nothing cached."""
        engine = self._plain if how == AR else self._ours
        effort: Effort = "verified" if how == AR else how
        request = request_for(task, which, number=number, effort=effort, hole=self._hole)
        self._seen.lowest.clear()
        began = time.perf_counter()
        result = engine.infill(request)
        total_ms = (time.perf_counter() - began) * 1e3
        engine.sessions.forget(request.session)
        choice, stats = result.choices[0], result.stats
        return Answer(
            text=choice.text,
            finish=choice.finish,
            confidence=choice.confidence,
            mean_logprob=choice.mean_logprob,
            lowest_logprob=self._seen.lowest[0],
            suffix_logprob=choice.suffix_logprob,
            tokens=stats.tokens,
            passes=stats.passes,
            drafted=stats.drafted,
            accepted=stats.accepted,
            decode_ms=stats.decode_ms,
            total_ms=total_ms,
        )

"""Rewrites a region in two ways on one loaded network, and what comes of it."""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from edit_samples import request_for
from sacrebleu.metrics.chrf import CHRF

from midspan_engine.decoding.alignment import changed_tokens
from midspan_engine.decoding.rewrite import RewriteConfig
from midspan_engine.decoding.solver import BlockSolver
from midspan_engine.engine import Engine

if TYPE_CHECKING:
    from midspan_engine.protocol import Edited, Effort
    from midspan_engine.runtime import Runtime
    from midspan_engine.tokenizer import Tokenizer
    from midspan_engine.training.edits.samples import EditSample

Way = Literal["ours", "ar"]
_CHRF = CHRF()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one way to rewrite one region; a pass that only encodes context is not counted."""

    passes: int
    tokens: int
    drafted: int
    accepted: int
    prompt_tokens: int
    decode_ms: float
    total_ms: float
    is_cold: bool
    """Whether it came first and encoded the context for both."""

    @classmethod
    def of(cls, edited: Edited, *, is_cold: bool) -> Cost:
        stats = edited.stats
        return cls(
            passes=stats.passes,
            tokens=stats.tokens + 1,  # the end mark is a token that was looked for
            drafted=stats.drafted,
            accepted=stats.accepted,
            prompt_tokens=stats.prompt_tokens,
            decode_ms=stats.decode_ms,
            total_ms=stats.total_ms,
            is_cold=is_cold,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One sample: what was answered, whether that is right, and what it cost."""

    number: int
    kind: str
    language: str
    is_changed: bool
    """Whether the right answer is an edit."""
    finish: str
    text: str
    exact: bool
    chrf: float
    """Of the changed lines, 0..100; NaN where the right answer is no edit."""
    edit_probability: float
    mean_logprob: float
    lowest_logprob: float
    region_tokens: int
    changed_tokens: int
    """That the right answer changes."""
    answer_changed_tokens: int
    changed_chars: int
    changed_lines: int
    same_as_ar: bool | None
    ours: Cost
    ar: Cost | None

    @property
    def is_shown(self) -> bool:
        return self.finish == "edit"

    @property
    def score(self) -> float:
        """Probability that all of it is so, as far as the model says it: 0 for no edit."""
        if not self.is_shown:
            return 0.0
        return self.edit_probability * math.exp(self.lowest_logprob)

    @property
    def changed_share(self) -> float:
        return self.changed_tokens / max(self.region_tokens, 1)

    def record(self, sample: EditSample) -> dict[str, object]:
        """For the JSON-lines file that the calibration is fitted on."""
        texts = {
            "path": sample.path,
            "history": sample.history,
            "before": sample.before,
            "region": sample.original,
            "after": sample.after,
            "expected": sample.updated,
        }
        return asdict(self) | {"score": self.score} | texts


class Rewriter:
    """Two engines on one network that share sessions, so that the context is encoded once."""

    def __init__(
        self,
        network: Runtime,
        tokenizer: Tokenizer,
        *,
        effort: Effort,
        edit_from: float | None,
    ) -> None:
        self.runtime_name = network.name
        self.tokenizer = tokenizer
        self._effort = effort
        self._edit_from = edit_from
        self._engines: dict[Way, Engine] = {
            "ours": Engine(network, tokenizer),
            "ar": Engine(network, tokenizer, rewriting=RewriteConfig(rows=1)),
        }
        ours, theirs = (self._engines[way].solver for way in ("ours", "ar"))
        assert isinstance(ours, BlockSolver)
        assert isinstance(theirs, BlockSolver)
        theirs.sessions = ours.sessions
        self._engines["ours"].warm_up()

    def run(self, sample: EditSample, number: int, ways: tuple[Way, ...]) -> Outcome:
        """Rewrite in each of the ways, in this order; the first one encodes the context."""
        answers: dict[Way, Edited] = {}
        for way in ways:
            effort: Effort = "verified" if way == "ar" else self._effort
            request = request_for(sample, number=number, effort=effort, edit_from=self._edit_from)
            answers[way] = self._engines[way].edit(request)
        self._engines["ours"].sessions.forget("")
        costs = {way: Cost.of(answers[way], is_cold=way == ways[0]) for way in ways}
        return self._outcome(sample, number, answers, costs)

    def _outcome(
        self,
        sample: EditSample,
        number: int,
        answers: dict[Way, Edited],
        costs: dict[Way, Cost],
    ) -> Outcome:
        edited, ar = answers["ours"], answers.get("ar")
        text = edited.text if edited.finish == "edit" else sample.original
        gone, come = _changed_lines(sample.original, text)
        return Outcome(
            number=number,
            kind=sample.kind,
            language=sample.language,
            is_changed=not sample.quiet,
            finish=edited.finish,
            text=edited.text,
            exact=text == sample.updated,
            chrf=math.nan if sample.quiet else chrf(sample.original, text, sample.updated),
            edit_probability=edited.edit_probability,
            mean_logprob=edited.mean_logprob,
            lowest_logprob=edited.lowest_logprob,
            region_tokens=len(self.tokenizer.encode(sample.original)),
            changed_tokens=self._changed(sample.original, sample.updated),
            answer_changed_tokens=self._changed(sample.original, text),
            changed_chars=len("".join(gone)) + len("".join(come)),
            changed_lines=max(len(gone), len(come)),
            same_as_ar=None if ar is None else (ar.finish, ar.text) == (edited.finish, edited.text),
            ours=costs["ours"],
            ar=costs.get("ar"),
        )

    def _changed(self, original: str, updated: str) -> int:
        return sum(changed_tokens(*(self.tokenizer.encode(text) for text in (original, updated))))


def chrf(original: str, answer: str, expected: str) -> float:
    """chrF (Popović 2015) of the lines that come, 0..100; of those that go where none come."""
    lines = [_changed_lines(original, text) for text in (answer, expected)]
    side = 1 if lines[1][1] else 0
    mine, right = ("\n".join(both[side]) for both in lines)
    return float(_CHRF.sentence_score(mine, [right]).score)


def _changed_lines(original: str, updated: str) -> tuple[list[str], list[str]]:
    """Lines that go, and lines that come."""
    old, new = original.splitlines(), updated.splitlines()
    gone: list[str] = []
    come: list[str] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, first, last, begin, end in matcher.get_opcodes():
        if tag != "equal":
            gone += old[first:last]
            come += new[begin:end]
    return gone, come

"""What became unlikely: measured twice, line by line, and with the history encoded once."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from midspan_engine.decoding.edit_prompt import Marks, encode_history
from midspan_engine.decoding.likelihood import LikelihoodConfig
from midspan_engine.decoding.rewrite import RewriteConfig
from midspan_engine.protocol import (
    EditRequest,
    LikelihoodRequest,
    Passage,
    PastEdit,
    RequestRejected,
)
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.rows import RowGroup, RowScores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from midspan_engine.engine import Engine
    from midspan_engine.protocol import Likelihoods
    from midspan_engine.runtime import Runtime

    MakeEngine = Callable[..., Engine]

RENAMED = PastEdit(path="a.py", diff="-def load(name):\n+def read(name):\n")
CALL = Passage(path="a.py", before="import os\n\n\n", text="x = load(1)\n\nprint(x)\n")
OTHER = Passage(path="a.py", before="y = 1\n", text="z = load(2)\n")


def ask(*passages: Passage, **changes: object) -> LikelihoodRequest:
    values: dict[str, object] = {
        "id": 1,
        "session": "e",
        "history": (RENAMED,),
        "passages": passages or (CALL, OTHER),
    }
    return LikelihoodRequest(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def engine(make_ending: MakeEngine) -> Engine:
    return make_ending()


def test_each_line_has_a_number_and_without_history_nothing_is_lost(engine: Engine) -> None:
    told = engine.likelihoods(ask())
    assert (told.finish, [len(one) for one in told.losses]) == ("done", [3, 1])
    assert any(abs(loss) > 1e-4 for loss in told.losses[0])
    plain = engine.likelihoods(ask(history=(), session="b"))
    assert plain.losses == tuple(pytest.approx([0.0] * len(one)) for one in told.losses)


@pytest.mark.parametrize("chunk", [3, 96])
def test_it_is_what_two_whole_passes_say(make_ending: MakeEngine, chunk: int) -> None:
    """By the same network, without sharing anything."""
    config = RewriteConfig(likelihood=LikelihoodConfig(chunk=chunk))
    apart = [
        make_ending().likelihoods(ask(one, session=one.text)).losses[0] for one in (CALL, OTHER)
    ]
    losses = make_ending(config).likelihoods(ask(CALL, OTHER)).losses
    assert losses == tuple(pytest.approx(one, abs=1e-3) for one in apart)


def test_the_losses_are_differences_of_log_probabilities(make_ending: MakeEngine) -> None:
    """By one pass over each prompt that is written out here."""
    engine = make_ending()
    runtime = cast("Runtime", engine.runtime)
    encode, ends = engine.tokenizer.encode, engine.tokenizer.special
    text = encode(OTHER.text)
    head = [ends.file_sep, *encode("a.py\n"), *encode(OTHER.before)]
    history = [ends.file_sep, *encode(f"a.py\n@@\n{RENAMED.diff}")]
    totals = []
    for ids in ([*head, *text], [*history, *head, *text]):
        sequence = CachedSequence()
        runtime.pool.reserve(sequence, len(ids) + 1)
        wanted = range(len(ids) - len(text) - 1, len(ids) - 1)
        group = RowGroup.causal(sequence, 0, ids, wanted)
        scores = runtime.forward([group])[0]
        totals.append(sum(scores.logprob(row, token) for row, token in enumerate(text)))
        runtime.pool.release(sequence)
    [loss] = engine.likelihoods(ask(OTHER)).losses
    assert sum(loss) == pytest.approx(totals[0] - totals[1], abs=1e-3)


def test_all_tokens_of_a_chunk_are_asked_for_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU each question is a round trip."""
    asked: list[int] = []
    logprobs = RowScores.logprobs

    def counted(scores: RowScores, tokens: Sequence[int]) -> list[float]:
        asked.append(len(tokens))
        return logprobs(scores, tokens)

    monkeypatch.setattr(RowScores, "logprobs", counted)
    monkeypatch.delattr(RowScores, "logprob")
    engine.likelihoods(ask(OTHER))
    assert asked == [len(engine.tokenizer.encode(OTHER.text))] * 2


def test_the_history_is_encoded_once_for_passages_and_edits(engine: Engine) -> None:
    marks = Marks.of_special(engine.tokenizer.special)
    window = LikelihoodConfig().window
    history = encode_history((RENAMED,), engine.tokenizer.encode, marks, window)
    assert engine.likelihoods(ask(CALL)).stats.cached_tokens == 0
    both = engine.likelihoods(ask(CALL, OTHER, session="b")).stats
    assert both.cached_tokens >= len(history)
    edit = EditRequest(id=2, session="b", path="a.py", history=(RENAMED,), region="z = 1\n")
    assert engine.edit(edit).stats.cached_tokens >= len(history)


def test_a_passage_is_read_as_far_as_the_config_says(engine: Engine) -> None:
    long = Passage(path="a.py", text="x = 1\n" * 10_000)
    told = engine.likelihoods(ask(long))
    assert 0 < len(told.losses[0]) < 200
    assert told.stats.prompt_tokens < 3 * LikelihoodConfig().text


def test_a_budget_leaves_out_the_passages_that_are_late(engine: Engine) -> None:
    answers: list[Likelihoods] = []
    engine.submit(1, ask(budget_ms=60_000), answers.append)  # type: ignore[arg-type]
    task = engine._running[1].task
    while not task._losses:  # type: ignore[attr-defined]
        engine.step()
    task._clock.arrived -= 120.0  # type: ignore[attr-defined]
    while engine.step():
        pass
    assert (answers[0].finish, len(answers[0].losses)) == ("budget", 1)
    again = engine.likelihoods(ask(session="b"))
    assert again.losses[0] == pytest.approx(answers[0].losses[0], abs=1e-3)


@pytest.mark.parametrize("steps", range(4))
def test_a_cancel_leaves_caches_that_still_answer_right(engine: Engine, steps: int) -> None:
    expected = engine.likelihoods(ask(session="other")).losses
    answers: list[Likelihoods] = []
    engine.submit(1, ask(document_version=3), answers.append)  # type: ignore[arg-type]
    for _ in range(steps):
        engine.step()
    engine.cancel(1)
    assert [(one.finish, one.document_version) for one in answers] == [("cancelled", 3)]
    again = engine.likelihoods(ask()).losses
    assert again == tuple(pytest.approx(one, abs=1e-3) for one in expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"passages": ()}, "passages must be 1 to 8"),
        ({"passages": (CALL,) * 9}, "passages must be 1 to 8"),
        ({"passages": (Passage(path="a", text=""),)}, "passages must not be empty"),
        ({"passages": (Passage(path="x" * 5_000, text="a"),)}, "path must have at most"),
        ({"budget_ms": 0}, "budget_ms must be positive"),
    ],
)
def test_values_out_of_range_are_refused_by_name(
    engine: Engine, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestRejected, match=message):
        engine.likelihoods(ask(**changes))

"""Edits beside completions and after each other: passes, sessions, cancels and the cache."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.engine import Engine
from midspan_engine.protocol import EditRequest, InfillRequest, PastEdit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.decoding.conftest import ScriptedRuntime

    from midspan_engine.protocol import Edited

    MakeEngine = Callable[..., Engine]

REGION = """class Reader:
    def __init__(self, path):
        self.path = path
        self.lines = load_module("reader", path)

    def count(self):
        return len(self.lines)
"""
LONGER = REGION.replace("        self.lines", "        self.count = 0\n        self.lines")
SHORTER = REGION.replace("        self.path = path\n", "")
HEAD = "def load_module(name, path):\n    with open(path) as "
DIFF = "-def load_module(name, path):\n+def read_lines(name, path):\n"


def ask(region: str = REGION, **changes: object) -> EditRequest:
    values: dict[str, object] = {
        "id": 1,
        "session": "e",
        "path": "a.py",
        "history": (PastEdit(path="a.py", diff=DIFF),),
        "before": "import os\n\n\n",
        "region": region,
        "max_tokens": 200,
    }
    return EditRequest(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def engine(scripted: ScriptedRuntime) -> Engine:
    return Engine(scripted, scripted.tokenizer)


def say(engine: Engine, scripted: ScriptedRuntime, said: str, **changes: object) -> Edited:
    scripted.will_say(said)
    return engine.edit(ask(**changes))  # type: ignore[arg-type]


def test_edits_and_completions_share_passes(make_ending: MakeEngine) -> None:
    fill = InfillRequest(id=2, session="i", prefix=HEAD, scope="block", max_tokens=12)
    alone = make_ending()
    before = alone.runtime.count.passes
    lines = REGION.splitlines(keepends=True)
    long = ask("".join(lines[1:]), max_tokens=30)
    edited, filled = alone.edit(long), alone.infill(fill)
    assert filled.stats.passes > 2
    passes = alone.runtime.count.passes - before
    shared = make_ending()
    answers: dict[int, object] = {}

    def keep(number: int, answer: object) -> None:
        answers[number] = answer

    before = shared.runtime.count.passes
    shared.submit(1, long, partial(keep, 1))
    while not shared._running[1].task._tokens:  # type: ignore[attr-defined]
        shared.step()
    shared.submit(2, fill, partial(keep, 2))
    while shared.step():
        pass
    assert (answers[1].finish, answers[1].text) == (edited.finish, edited.text)  # type: ignore[attr-defined]
    assert answers[2].choices[0].text == filled.choices[0].text  # type: ignore[attr-defined]
    assert shared.runtime.count.passes - before < passes


def test_the_context_of_an_edit_does_not_hold_up_a_completion(make_ending: MakeEngine) -> None:
    fill = InfillRequest(id=2, session="i", prefix=HEAD, scope="block", max_tokens=12)
    engine = make_ending()
    alone = engine.infill(fill)
    engine.sessions.forget("")
    answers: list[object] = []
    engine.submit(1, ask(before="import os\n" * 60), answers.append)
    engine.submit(2, fill, answers.append)
    passes = 0
    while not answers:
        rows = engine.runtime.count.rows
        engine.step()
        passes += 1
        # The first pass of the completion encodes its own context.
        assert passes == 1 or engine.runtime.count.rows - rows <= 48
    assert answers[0].choices[0].text == alone.choices[0].text  # type: ignore[attr-defined]
    while engine.step():
        pass
    assert len(answers) == 2


def test_a_long_completion_does_not_starve_an_edit(scripted: ScriptedRuntime) -> None:
    scripted.will_say("x = 1\n" * 60)
    engine = Engine(scripted, scripted.tokenizer, config=DecodeConfig(rows=1, look_up=False))
    order: list[int] = []
    long = InfillRequest(id=1, session="i", prefix="y\n", scope="block", max_tokens=200)
    engine.submit(1, long, lambda _one: order.append(1))
    edit = ask(before="import os\n" * 20, max_tokens=1)
    engine.submit(2, edit, lambda _one: order.append(2))
    passes = 0
    while not order:
        engine.step()
        passes += 1
    assert order == [2]
    assert passes > 12, "it waited for its turn"


def test_a_newer_request_of_the_session_cancels_an_edit(
    engine: Engine, scripted: ScriptedRuntime
) -> None:
    scripted.will_say(LONGER)
    answers: list[Edited] = []
    engine.submit(1, ask(id=1, document_version=4), answers.append)  # type: ignore[arg-type]
    engine.step()
    engine.submit(2, ask(id=2), answers.append)  # type: ignore[arg-type]
    while engine.step():
        pass
    assert [(one.id, one.finish) for one in answers] == [(1, "cancelled"), (2, "edit")]
    assert answers[0].document_version == 4
    assert engine.sessions.open("e").running == 0


@pytest.mark.parametrize("steps", range(5))
def test_a_cancel_leaves_a_session_that_still_answers_right(
    engine: Engine, scripted: ScriptedRuntime, steps: int
) -> None:
    scripted.will_say(LONGER)
    engine.submit(1, ask(id=1), lambda _answer: None)
    for _ in range(steps):
        engine.step()
    engine.cancel(1)
    assert say(engine, scripted, SHORTER).text == SHORTER
    engine.sessions.forget("")
    assert scripted.pool.free_blocks == scripted.pool.capacity


def test_the_next_request_encodes_only_what_is_new(
    engine: Engine, scripted: ScriptedRuntime
) -> None:
    first = say(engine, scripted, LONGER)
    again = say(engine, scripted, LONGER)
    assert first.stats.cached_tokens == 0
    assert again.stats.cached_tokens == again.stats.prompt_tokens - 1
    other = say(engine, scripted, SHORTER, before="import sys\n")
    history = len(engine.tokenizer.encode(f"a.py\n@@\n{DIFF}"))
    assert history < other.stats.cached_tokens < again.stats.cached_tokens
    assert other.text == SHORTER

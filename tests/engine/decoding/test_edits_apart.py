"""Next edits on weights of their own: loaded when asked for, never mixed with completions."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from tests.engine.decoding.conftest import ScriptedRuntime

from midspan_engine.engine import Engine
from midspan_engine.protocol import (
    Edited,
    EditRequest,
    Infill,
    InfillRequest,
    LikelihoodRequest,
    Likelihoods,
    Passage,
    RequestRejected,
)
from midspan_engine.runtime.standby import Standby

if TYPE_CHECKING:
    from midspan_engine.runtime.rows import Runtime
    from midspan_engine.tokenizer import Tokenizer

REGION = "def area(w, h):\n    return w * h\n"
CHANGED = "def area(w, h):\n    return w + h\n"
EDIT = EditRequest(id=1, session="7:a", region=REGION, document_version=3)
FILL = InfillRequest(id=2, session="7:b", prefix="y\n", max_tokens=20)


class Apart:
    """An engine whose second network is loaded when the test says so."""

    def __init__(self, tokenizer: Tokenizer, failure: str = "") -> None:
        self.first, self.second = ScriptedRuntime(tokenizer), ScriptedRuntime(tokenizer)
        self.first.will_say("len(x)")
        self.second.will_say(CHANGED)
        self.go = threading.Event()
        self.loads = 0
        self.failure = failure
        self.standby = Standby(self._load, "the second weights")
        self.engine = Engine(self.first, tokenizer, standby=self.standby)
        self.answers: list[object] = []

    def _load(self) -> Runtime:
        self.loads += 1
        assert self.go.wait(10)
        if self.failure:
            raise OSError(self.failure)
        return self.second

    def load(self) -> None:
        self.go.set()
        self.standby.wait()

    def submit(self, key: object, request: EditRequest | InfillRequest | LikelihoodRequest) -> None:
        self.engine.submit(key, request, self.answers.append)

    def run(self) -> None:
        while self.engine.step():
            pass


@pytest.fixture
def apart(tiny_tokenizer: Tokenizer) -> Apart:
    return Apart(tiny_tokenizer)


def test_each_kind_runs_on_its_own_weights(apart: Apart) -> None:
    apart.go.set()
    edited, filled = apart.engine.edit(EDIT), apart.engine.infill(FILL)
    assert edited.text == CHANGED
    assert filled.choices[0].text == "len(x)"
    assert apart.loads == 1


def test_completions_alone_load_nothing(apart: Apart) -> None:
    apart.engine.warm_up()
    apart.engine.infill(FILL)
    assert apart.loads == 0
    assert apart.second.rows == []


def test_an_edit_waits_for_its_weights_while_completions_go_on(apart: Apart) -> None:
    apart.submit("e", EDIT)
    assert apart.engine.step() is False
    apart.submit("f", FILL)
    apart.run()
    assert [type(one) for one in apart.answers] == [Infill]
    assert apart.engine.waiting == 1
    apart.load()
    apart.run()
    edited = apart.answers[-1]
    assert isinstance(edited, Edited)
    assert (edited.text, edited.id, edited.document_version) == (CHANGED, 1, 3)
    assert apart.engine.waiting == 0


def test_an_edit_in_a_hurry_is_refused_until_the_weights_are_there(apart: Apart) -> None:
    hurried = EditRequest(id=5, session="7:a", region=REGION, budget_ms=5_000)
    apart.submit("e", hurried)
    refusal = apart.answers.pop()
    assert isinstance(refusal, RequestRejected)
    assert (refusal.code, apart.engine.waiting) == ("not_ready", 0)
    assert "try again" in str(refusal)
    apart.load()
    apart.submit("e", hurried)
    apart.run()
    edited = apart.answers.pop()
    assert isinstance(edited, Edited)
    assert edited.text == CHANGED


def test_an_edit_with_time_enough_waits_for_its_weights(apart: Apart) -> None:
    apart.submit("e", EditRequest(id=5, session="7:a", region=REGION, budget_ms=60_000))
    assert (apart.answers, apart.engine.waiting) == ([], 1)
    apart.load()
    apart.run()
    edited = apart.answers.pop()
    assert isinstance(edited, Edited)
    assert edited.text == CHANGED


def test_likelihoods_wait_for_the_weights_of_edits_too(apart: Apart) -> None:
    passages = (Passage(path="a.py", text=REGION),)
    apart.submit("e", LikelihoodRequest(id=4, session="7:a", passages=passages))
    assert (apart.answers, apart.engine.waiting) == ([], 1)
    apart.engine.cancel("e")
    assert apart.answers == [Likelihoods(id=4, document_version=0, finish="cancelled")]
    apart.submit("f", LikelihoodRequest(id=5, session="7:a", passages=passages, budget_ms=100))
    refusal = apart.answers.pop()
    assert isinstance(refusal, RequestRejected)
    assert refusal.code == "not_ready"
    apart.load()


@pytest.mark.parametrize("how", ["cancel", "newer", "client", "stop"])
def test_an_edit_that_waits_can_be_ended(apart: Apart, how: str) -> None:
    apart.submit((7, 1), EDIT)
    if how == "cancel":
        apart.engine.cancel((7, 1))
    elif how == "client":
        apart.engine.cancel_client(7)
    elif how == "stop":
        apart.engine.refuse_held("the engine is stopping")
    else:
        apart.submit((7, 2), EDIT)
    first = apart.answers[0]
    if how == "stop":
        assert isinstance(first, RequestRejected)
        assert first.code == "not_ready"
    else:
        assert isinstance(first, Edited)
        assert (first.finish, first.id, first.document_version) == ("cancelled", 1, 3)
    assert apart.engine.waiting == (1 if how == "newer" else 0)
    apart.load()
    apart.run()
    assert len(apart.answers) == (2 if how == "newer" else 1)


def test_those_that_wait_count_as_waiting(apart: Apart, tiny_tokenizer: Tokenizer) -> None:
    engine = Engine(apart.first, tiny_tokenizer, standby=apart.standby, most_waiting=1)
    engine.submit("e", EDIT, apart.answers.append)
    engine.submit("f", FILL, apart.answers.append)
    refusal = apart.answers.pop()
    assert isinstance(refusal, RequestRejected)
    assert refusal.code == "queue_full"
    apart.go.set()


def test_weights_that_cannot_be_loaded_refuse_edits_and_nothing_else(
    tiny_tokenizer: Tokenizer,
) -> None:
    apart = Apart(tiny_tokenizer, failure="no space left")
    apart.submit("e", EDIT)
    apart.load()
    apart.run()
    apart.submit("again", EDIT)
    for refusal in apart.answers:
        assert isinstance(refusal, RequestRejected)
        assert refusal.code == "failed"
        assert "the second weights could not be loaded: no space left" in str(refusal)
    assert len(apart.answers) == 2
    assert apart.engine.infill(FILL).choices[0].text == "len(x)"


def test_a_pass_is_of_one_network_and_completions_come_first(apart: Apart) -> None:
    apart.load()
    apart.submit("e", EDIT)
    apart.submit("f", FILL)
    order: list[str] = []
    apart.engine.on_pass = lambda requests, _rows, _seconds: order.append(f"{requests}")
    before = apart.second.count.passes
    while not apart.answers:
        apart.engine.step()
    assert isinstance(apart.answers[0], Infill)
    assert apart.second.count.passes == before
    apart.run()
    assert isinstance(apart.answers[1], Edited)
    assert set(order) == {"1"}


def test_a_client_that_left_leaves_no_cache_of_either_network(apart: Apart) -> None:
    apart.load()
    apart.engine.edit(EDIT)
    apart.engine.infill(FILL)
    held = [
        runtime.pool.free_blocks < runtime.pool.capacity for runtime in (apart.first, apart.second)
    ]
    assert held == [True, True]
    apart.engine.cancel_client(7)
    for runtime in (apart.first, apart.second):
        assert runtime.pool.free_blocks == runtime.pool.capacity

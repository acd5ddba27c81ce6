from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.decoding.overrun import cuts
from midspan_engine.engine import Engine
from midspan_engine.protocol import InfillRequest

if TYPE_CHECKING:
    from tests.engine.decoding.conftest import ScriptedRuntime

    from midspan_engine.protocol import Effort

ABOVE = "def heads(text):\n    result = []\n    for i in range(len(text)):\n"
BELOW = "+1])\n    return result\n"
RIGHT = "        result.append(text[:i"


def ask(
    prefix: str, suffix: str, *, effort: Effort = "verified", forbid: tuple[str, ...] = ()
) -> InfillRequest:
    return InfillRequest(
        id=1,
        session="s",
        language="python",
        prefix=prefix,
        suffix=suffix,
        scope="block",
        effort=effort,
        forbid=forbid,
        max_tokens=200,
    )


def test_what_repeats_the_suffix_at_its_end_is_cut_there() -> None:
    assert next(cuts("a(b)", ")\n", [])) == "a(b"
    assert next(cuts("one\n    return x\n", "ne\n    return x\n", [])) == "o"


def test_the_longest_repetition_comes_first() -> None:
    assert list(cuts("f(x))", "))\n", [])) == ["f(x", "f(x)"]


def test_a_line_of_the_suffix_within_the_answer_is_found_from_the_last_on() -> None:
    text = "i) for i in xs]\n    b = [j) for i in xs]\n    c = 1"
    assert list(cuts(text, ") for i in xs]\r\n", [])) == ["i) for i in xs]\n    b = [j", "i"]


def test_a_line_of_signs_alone_is_not_looked_for() -> None:
    assert list(cuts("f(x) + g(y) + 1", ")\n", [])) == []


def test_where_the_model_might_have_ended_comes_last() -> None:
    assert list(cuts("a, b)", ")\n", [1, 5])) == ["a, b", "a"]


def test_nothing_is_cut_where_nothing_is_behind() -> None:
    assert list(cuts("a = 1\nb = 2", "", [])) == []


@pytest.mark.parametrize("config", [DecodeConfig(), DecodeConfig(rows=1, look_up=False)])
def test_an_answer_that_wrote_the_suffix_too_ends_before_it(
    scripted: ScriptedRuntime, config: DecodeConfig
) -> None:
    scripted.will_say(RIGHT + "+1])\n    return result")
    engine = Engine(scripted, scripted.tokenizer, config=config)
    answer = engine.infill(ask(ABOVE, BELOW))
    assert [(choice.text, choice.finish) for choice in answer.choices] == [(RIGHT, "eos")]


def test_an_answer_that_breaks_nothing_is_left_as_it_is(scripted: ScriptedRuntime) -> None:
    text = "        result.append(text[:i"
    scripted.will_say(text)
    engine = Engine(scripted, scripted.tokenizer)
    assert engine.infill(ask(ABOVE, "])\n    return result\n")).choices[0].text == text


def test_a_broken_answer_ends_where_the_model_might_have_ended(scripted: ScriptedRuntime) -> None:
    scripted.will_say("    values) + 1) - 2")
    engine = Engine(scripted, scripted.tokenizer)
    request = ask("total = sum(\n", "\n)\nprint(total)\n")
    assert engine.infill(request).choices[0].text == "    values) + 1) - 2"
    scripted.might_end = "    values"
    assert engine.infill(request).choices[0].text == "    values"


def test_a_cut_costs_no_pass(scripted: ScriptedRuntime) -> None:
    engine = Engine(scripted, scripted.tokenizer)
    scripted.will_say(RIGHT + "+1])\n    return result")
    cut = engine.infill(ask(ABOVE, BELOW))
    engine.sessions.forget("s")
    scripted.will_say(RIGHT + "+1])\n    return result")
    whole = engine.infill(ask(ABOVE, BELOW, effort="draft"))
    assert whole.choices[0].text != RIGHT
    assert cut.stats.passes == whole.stats.passes
    assert cut.stats.tokens < whole.stats.tokens


def test_nothing_that_is_forbidden_is_left_by_a_cut(scripted: ScriptedRuntime) -> None:
    scripted.will_say(RIGHT + "+1])\n    return result")
    engine = Engine(scripted, scripted.tokenizer)
    answer = engine.infill(ask(ABOVE, BELOW, forbid=(r"\[:i\+1\]\)\n    return result\n\Z",)))
    assert all(choice.text != RIGHT for choice in answer.choices)


def test_an_answer_that_is_all_suffix_is_not_cut_to_nothing(scripted: ScriptedRuntime) -> None:
    scripted.will_say("    return result")
    engine = Engine(scripted, scripted.tokenizer)
    request = ask("result = [\n", "    return result\n")
    assert engine.infill(request).choices[0].text == "    return result"


def test_the_next_request_of_the_session_is_answered_as_ever(scripted: ScriptedRuntime) -> None:
    engine = Engine(scripted, scripted.tokenizer)
    for _ in range(2):
        scripted.will_say(RIGHT + "+1])\n    return result")
        assert engine.infill(ask(ABOVE, BELOW)).choices[0].text == RIGHT

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
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
    scripted.might_end = {"    values": 9.0}
    assert engine.infill(request).choices[0].text == "    values"


def test_the_likeliest_end_comes_first(scripted: ScriptedRuntime) -> None:
    scripted.will_say("    values) + 1) - 2")
    scripted.might_end = {"    values": 8.0, "    values) + 1": 7.0}
    engine = Engine(scripted, scripted.tokenizer)
    request = ask("total = sum(\n", "\n)\nprint(total)\n")
    assert engine.infill(request).choices[0].text == "    values"
    scripted.will_say("    values) + 1)) - 2")
    scripted.might_end = {"    values": 7.0, "    values) + 1": 8.0}
    again = ask("total = sum((\n", "\n)\nprint(total)\n")
    assert engine.infill(again).choices[0].text == "    values) + 1"


def test_an_end_that_is_out_of_the_question_is_none(scripted: ScriptedRuntime) -> None:
    scripted.will_say("    values) + 1) - 2")
    scripted.might_end = {"    values": 4.0}
    engine = Engine(scripted, scripted.tokenizer)
    request = ask("total = sum(\n", "\n)\nprint(total)\n")
    assert engine.infill(request).choices[0].text == "    values) + 1) - 2"


@pytest.mark.parametrize("config", [DecodeConfig(), DecodeConfig(rows=1, look_up=False)])
def test_an_end_is_found_where_the_prefix_ends_within_a_token(
    scripted: ScriptedRuntime, config: DecodeConfig
) -> None:
    prefix = "total = sum(\n    va"
    _, pending = scripted.tokenizer.heal(prefix)
    assert pending
    scripted.will_say(pending.decode() + "lues) + 1) - 2")
    scripted.might_end = {pending.decode() + "lues": 8.0}
    engine = Engine(scripted, scripted.tokenizer, config=config)
    request = ask(prefix, "\n)\nprint(total)\n")
    assert engine.infill(request).choices[0].text == "lues"


@pytest.mark.parametrize("forbid", [(), ("[QWZJKVYP]",)])
def test_guesses_change_no_cut(scripted: ScriptedRuntime, forbid: tuple[str, ...]) -> None:
    texts = set()
    for config in (DecodeConfig(), DecodeConfig(rows=1, look_up=False)):
        scripted.will_say("    values) + 1) - 2")
        scripted.might_end = {"    values": 8.0}
        request = ask("total = sum(\n", "\n)\nprint(total)\n", forbid=forbid)
        request = msgspec.structs.replace(request, draft="    values) + 1) - 2")
        engine = Engine(scripted, scripted.tokenizer, config=config)
        texts.add(engine.infill(request).choices[0].text)
    assert texts == {"    values"}


def test_a_stop_string_ends_an_answer_for_good(scripted: ScriptedRuntime) -> None:
    scripted.will_say("    total = sum(\n        values)")
    scripted.might_end = {"    total": 9.0}
    engine = Engine(scripted, scripted.tokenizer)
    request = msgspec.structs.replace(ask("def f(values):\n", "\n    return 1\n"), stop=("\n",))
    [choice] = engine.infill(request).choices
    assert (choice.text, choice.finish) == ("    total = sum(", "stop")


def test_a_cut_costs_no_pass_and_is_trusted_less(scripted: ScriptedRuntime) -> None:
    config = DecodeConfig(rows=1, look_up=False)
    engine = Engine(scripted, scripted.tokenizer, config=config)
    scripted.will_say(RIGHT + "+1])\n    return result")
    cut = engine.infill(ask(ABOVE, BELOW))
    engine.sessions.forget("s")
    whole = engine.infill(ask(ABOVE, "\n"))
    assert whole.choices[0].text == RIGHT + "+1])\n    return result"
    assert cut.stats.passes == whole.stats.passes
    assert cut.stats.tokens < whole.stats.tokens
    assert cut.choices[0].confidence < 0.6 * whole.choices[0].confidence


def test_a_cut_leaves_nothing_that_is_forbidden(scripted: ScriptedRuntime) -> None:
    scripted.will_say(RIGHT + "+1])\n    return result")
    scripted.might_end = {RIGHT[:-1]: 8.0}
    engine = Engine(scripted, scripted.tokenizer)
    [choice] = engine.infill(
        ask(ABOVE, BELOW, forbid=(r"\[:i\+1\]\)\n    return result\n\Z",))
    ).choices
    assert choice.text != RIGHT


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

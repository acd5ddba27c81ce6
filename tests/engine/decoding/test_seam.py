from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_engine.decoding.infill import DecodeConfig
from midspan_engine.decoding.seam import Seam
from midspan_engine.engine import Engine
from midspan_engine.protocol import InfillRequest, RequestRejected

if TYPE_CHECKING:
    from tests.engine.decoding.conftest import ScriptedRuntime

    from midspan_engine.decoding.sessions import Session
    from midspan_engine.protocol import Scope
    from midspan_engine.runtime.blocks import CachedSequence

ABOVE = "def count(values):\n    n = 0\n    for value in values:\n"
BELOW = "\n    return n\n"
WHOLE = '''\
import os


class Table:
    """Rows, and what they are called."""

    def __init__(self, names, rows):
        self.names = list(names)
        self.rows = [dict(zip(names, row))
                     for row in rows]

    def column(self, name):
        if name not in self.names:
            raise KeyError(
                f"there is no {name!r}"
            )
        try:
            return [row[name] for row in self.rows]
        except KeyError:
            return []
        finally:
            os.sync()
'''


def is_broken(request: InfillRequest, text: str) -> bool:
    return Seam(request).is_broken_by(text)


def ask(
    prefix: str, suffix: str, scope: Scope = "block", language: str = "python"
) -> InfillRequest:
    return InfillRequest(
        id=1,
        session="s",
        prefix=prefix,
        suffix=suffix,
        scope=scope,
        language=language,
        max_tokens=400,
    )


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("        n += value", False),
        ("        if value:", True),
        ("        if value:\n            n += 1", False),
        ("            n += value", False),
        ("    n += value", True),
        ("        n += (value", True),
        ("        else:\n            n += 1", True),
    ],
)
def test_a_block_must_leave_a_file_that_python_reads(text: str, broken: bool) -> None:
    assert is_broken(ask(ABOVE, BELOW), text) is broken


@pytest.mark.parametrize(
    "text",
    ["        if value:", "        n = foo(", "        # add it", '        """Add', "@property"],
)
def test_a_line_is_not_judged_since_more_is_to_come(text: str) -> None:
    assert not is_broken(ask(ABOVE, BELOW, "line"), text)


@pytest.mark.parametrize("text", ["type A = list[int]", "def first[T](xs: list[T]) -> T: ..."])
def test_syntax_that_is_newer_than_this_python_is_no_reason(text: str) -> None:
    assert not is_broken(ask("import os\n\n", "\n\nx = 1\n"), text)


@pytest.mark.parametrize("text", ["x = 1", "x = (", "else:"])
def test_what_is_broken_anyway_is_no_reason(text: str) -> None:
    assert not is_broken(ask("def f(:\n    ", "\n\ndef g():\n    return 1\n"), text)


def test_a_suffix_that_is_cut_off_is_no_reason() -> None:
    request = ask("def f(values):\n    total = ", "\n    print(total, sum(\n        val")
    assert not is_broken(request, "len(values)")
    assert not is_broken(ask("x = ", "\nif x:"), "1")
    assert not is_broken(ask("import os\n", "x = 2\ny = [dict(zip(names, row))\n  for"), "z = 1\n")


def test_what_is_closed_beyond_the_request_is_no_reason() -> None:
    rows = "".join(f'    "k{number}": {number},\n' for number in range(9))
    assert not is_broken(ask("import os\n\n", "\n" + rows), "TABLE = {")
    assert not is_broken(ask("def f():\n", "\n    Rows, and what they are.\n"), '    x = """Do.')
    assert is_broken(ask("import os\n\n", "\ny = 1\n"), "TABLE = {")


def test_a_hole_within_a_line_is_judged_though_the_file_is_broken_without_it() -> None:
    request = ask("def f(values):\n    return sum(", "es) + 1\n")
    assert not is_broken(request, "valu")
    assert is_broken(request, "values)")


def test_a_prefix_that_is_cut_off_is_read_from_its_first_line() -> None:
    above = "            a = 1\n        b = 2\n    c = 3\n    "
    assert not is_broken(ask(above, "\n    e = 5\n"), "d = 4")
    assert is_broken(ask(above, "\n    e = 5\n"), "if d:")


@given(st.data())
@settings(max_examples=1000, deadline=None)
def test_no_part_of_a_file_that_is_right_breaks_it(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, len(WHOLE)))
    last = data.draw(st.integers(min(end + 80, len(WHOLE)), len(WHOLE)))
    lines_above = WHOLE[:start].splitlines(keepends=True)
    above = "".join(lines_above[data.draw(st.integers(0, max(0, len(lines_above) - 5))) :])
    assert not is_broken(ask(above, WHOLE[end:last]), WHOLE[start:end])


def test_a_line_below_that_needs_a_header_is_a_reason() -> None:
    below = "\n            n += 1" + BELOW
    assert is_broken(ask(ABOVE, below), "        n = value")
    assert not is_broken(ask(ABOVE, below), "        if value:")


def test_a_header_whose_body_lies_beyond_the_request_is_no_reason() -> None:
    assert not is_broken(ask("import os\n\nclass ", ":"), "Table")
    assert is_broken(ask("import os\n\nclass ", ":\nx = 1\n"), "Table")


def test_a_next_line_that_is_half_written_is_no_reason() -> None:
    assert not is_broken(ask(ABOVE, "\n    total = \n    return n\n"), "        n += value")
    assert is_broken(ask(ABOVE, "\n    else x:\n"), "    n += value")


@pytest.mark.parametrize("unit", ["\t", "    "])
def test_tabs_and_line_ends_of_windows_are_read(unit: str) -> None:
    above = f"{unit * 2}a = 1\r\n{unit}b = 2\r\n{unit}"
    assert not is_broken(ask(above, f"\r\n{unit}d = 4\r\n"), "c = 3")
    assert is_broken(ask(above, f"\r\n{unit}d = 4\r\n"), "if c:")
    assert not is_broken(ask(f"{unit * 2}", f"\r\n{unit}d = 4\r\n"), "c = 3")


def test_an_answer_with_the_other_kind_of_blanks_is_left_to_the_server() -> None:
    for text in ("        b = 2", "        b = 2\n    c = 3"):
        assert not is_broken(ask("def f():\n\ta = 1\n", "\n\treturn a\n"), text)


def test_what_takes_parsers_to_their_limits_is_not_judged() -> None:
    assert not is_broken(ask("x = ", "\ny = 1\n"), "-" * 20_000 + "1")
    assert not is_broken(ask("x = 1\n" * 50_000, "\ny = (\n" + "1,\n" * 50_000 + ")\n"), "y = 2")


def test_nothing_of_the_text_is_written_to_the_terminal() -> None:
    code = (
        "from midspan_engine.decoding.seam import Seam\n"
        "from midspan_engine.protocol import InfillRequest\n"
        "ask = InfillRequest(id=1, session='s', language='python', scope='block', prefix='a = ')\n"
        "assert not Seam(ask).is_broken_by(r\"'\\d'\")\n"
    )
    command = [sys.executable, "-W", "always", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert r"\d" not in done.stdout + done.stderr


def test_other_languages_are_read_by_their_grammar() -> None:
    request = ask("function f(a) {\n  ", "\n}\n", language="javascript")
    assert is_broken(request, "if (a) {")
    assert not is_broken(request, "if (a) { return 1; }")
    assert not is_broken(ask("a", "b", language="cobol"), "}")
    deep = "const x = (" + "b + " * 3_000
    assert is_broken(request, deep)


@pytest.mark.parametrize("config", [DecodeConfig(), DecodeConfig(rows=1, look_up=False)])
def test_a_block_that_breaks_the_file_gives_way_to_the_next_likely(
    scripted: ScriptedRuntime, config: DecodeConfig
) -> None:
    scripted.will_say("        if value:", or_else="        if value:\n            n += 1")
    engine = Engine(scripted, scripted.tokenizer, config=config)
    answer = engine.infill(ask(ABOVE, BELOW))
    assert [choice.text for choice in answer.choices] == ["        if value:\n            n += 1"]


def test_a_block_that_nothing_mends_is_the_likeliest_one(scripted: ScriptedRuntime) -> None:
    scripted.will_say("        if value:", or_else="        if value: (")
    engine = Engine(scripted, scripted.tokenizer)
    assert engine.infill(ask(ABOVE, BELOW)).choices[0].text == "        if value:"
    assert all(count <= 1 for count in scripted.pool._references)


def test_no_room_for_a_second_try_keeps_the_first_answer(
    scripted: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.will_say("        if value:", or_else="        if value:\n            n += 1")
    engine = Engine(scripted, scripted.tokenizer)
    spare = engine.sessions.reserve

    def reserve(session: Session, sequence: CachedSequence, length: int) -> None:
        if sequence is not session.sequence:
            raise RequestRejected("queue_full", "the context cache is in use by other requests")
        spare(session, sequence, length)

    monkeypatch.setattr(engine.sessions, "reserve", reserve)
    assert engine.infill(ask(ABOVE, BELOW)).choices[0].text == "        if value:"


LONG = "".join(f"        n += {number}\n" for number in range(12))


def test_what_ends_too_early_goes_on_however_long_it_is(scripted: ScriptedRuntime) -> None:
    header = f"{LONG}        if value:"
    scripted.will_say(header, or_else=f"{header}\n            n = 0")
    engine = Engine(scripted, scripted.tokenizer)
    assert engine.infill(ask(ABOVE, BELOW)).choices[0].text == f"{header}\n            n = 0"


def test_a_second_try_that_grows_too_long_is_given_up(scripted: ScriptedRuntime) -> None:
    scripted.will_say("        if value:", or_else="        if value:\n" + LONG.replace("n", "  n"))
    engine = Engine(scripted, scripted.tokenizer)
    assert engine.infill(ask(ABOVE, BELOW)).choices[0].text == "        if value:"


def test_a_second_try_that_is_cancelled_gives_its_room_back(scripted: ScriptedRuntime) -> None:
    scripted.will_say("        if value:", or_else="        if value:\n            n += 1")
    engine = Engine(scripted, scripted.tokenizer)
    whole = engine.infill(ask(ABOVE, BELOW)).stats.passes
    for passes in range(1, whole):
        free = scripted.pool.free_blocks
        engine.submit(2, ask(ABOVE, BELOW), lambda _answer: None)
        for _ in range(passes):
            engine.step()
        engine.cancel(2)
        while engine.step():
            pass
        assert scripted.pool.free_blocks == free


def test_a_broken_block_is_tried_at_its_end_before_likelier_places(
    scripted: ScriptedRuntime,
) -> None:
    header = f"{LONG}        if value:"
    scripted.will_say(header, or_else=f"{header}\n            n = 0")
    scripted.unsure = 1.0  # everywhere but at the end
    engine = Engine(scripted, scripted.tokenizer)
    assert engine.infill(ask(ABOVE, BELOW)).choices[0].text == f"{header}\n            n = 0"

"""The same change again: which lines are like the two that were changed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from midspan_server.next_edit.repeat import repeated, template
from midspan_server.next_edit.tokens import tokens

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk


def _after(desk: Desk, *changes: tuple[str, str]) -> list[str]:
    """Lines that are proposed after these changes of whole lines."""
    for old, new in changes:
        desk.replace("a.py", old, new)
    text = desk.documents["a.py"].text
    found = list(repeated(desk.hunks(), desk.open_documents()))
    for one in found:
        assert one.applied() != text
    return [one.applied().split("\n")[one.line].strip() for one in found]


def test_a_call_that_got_an_argument(desk: Desk) -> None:
    desk.open("a.py", "log(a)\nx = 1\nlog(b)\n\ndef f():\n    log(c)\nlog(d, 1)\nother(a)\n")
    found = _after(desk, ("log(a)", "log(a, level=2)"), ("log(b)", "log(b, level=2)"))
    assert found == ["log(c, level=2)"]


def test_what_differs_between_the_examples_is_carried_over(desk: Desk) -> None:
    desk.open("a.py", "self.set('a', one)\nself.set('b', two)\nself.set('c', three)\n")
    found = _after(
        desk,
        ("self.set('a', one)", "self.values['a'] = one"),
        ("self.set('b', two)", "self.values['b'] = two"),
    )
    assert found == ["self.values['c'] = three"]


def test_two_changes_in_one_burst_are_two_examples(desk: Desk) -> None:
    desk.open("a.py", "log(a)\nlog(b)\nlog(c)\n")
    found = _after(desk, ("log(a)\nlog(b)", "log.info(a)\nlog.info(b)"))
    assert found == ["log.info(c)"]


def test_lines_without_a_name_in_common_count_within_their_block_only(desk: Desk) -> None:
    desk.open("a.py", "a = 1\nb = 2\nc = 3\n\nd = 4\n")
    found = _after(desk, ("a = 1", "a: int = 1"), ("b = 2", "b: int = 2"))
    assert found == ["c: int = 3"]


@pytest.mark.parametrize(
    "changes",
    [
        [("log(a)", "log(a, 1)")],
        [("log(a)", "log(a, 1)"), ("log(b)", "log(b, 2)")],
        [("log(a)", "log(a, 1)"), ("x = 1", "x = 2")],
        [("log(a)", "log( a )"), ("log(b)", "log( b )")],
        [("log(a)\n", ""), ("log(b)\n", "")],
        [("log(a)", "    log(a)"), ("log(b)", "    log(b)")],
    ],
)
def test_quiet_after_one_change_or_two_that_differ(
    desk: Desk, changes: list[tuple[str, str]]
) -> None:
    desk.open("a.py", "log(a)\nx = 1\nlog(b)\ny = 2\nlog(c)\n")
    assert _after(desk, *changes) == []


def test_text_in_strings_and_comments_is_left_alone(desk: Desk) -> None:
    desk.open("a.py", 'log(a)\n\nlog(b)\n"""\nlog(c)\n"""\n# log(d)\n')
    assert _after(desk, ("log(a)", "log.info(a)"), ("log(b)", "log.info(b)")) == []


def test_another_variable_in_one_function_says_nothing_of_the_next(desk: Desk) -> None:
    text = "def f(x, y):\n    g(x, 1)\n\n    g(x, 2)\n\ndef h(x, y):\n    g(x, 3)\n"
    desk.open("a.py", text)
    assert _after(desk, ("g(x, 1)", "g(y, 1)"), ("g(x, 2)", "g(y, 2)")) == []


def test_what_is_followed_as_a_rename_is_not_repeated_as_text(desk: Desk) -> None:
    document = desk.open("a.py", "log(a)\nlog(b)\nlog(c)\n")
    desk.replace("a.py", "log(a)\nlog(b)", "warn(a)\nwarn(b)")
    hunks, documents = desk.hunks(), desk.open_documents()
    assert len(list(repeated(hunks, documents))) == 1
    assert list(repeated(hunks, documents, document.uri, 0, {("log", "warn")})) == []


def test_changes_beyond_the_end_of_the_text_say_nothing(desk: Desk) -> None:
    desk.open("a.py", "\n" * 30 + "a = 1\nb = 2\nc = 3\n")
    desk.replace("a.py", "a = 1", "a: int = 1")
    desk.replace("a.py", "b = 2", "b: int = 2")
    hunks = desk.hunks()
    shorter = desk.open("a.py", "c = 3\n")
    assert not list(repeated(hunks, [shorter]))


def test_the_lines_below_the_cursor_come_first(desk: Desk) -> None:
    desk.open("a.py", "".join(f"log(a{at})\n" for at in range(6)))
    for at in (2, 3):
        desk.replace("a.py", f"log(a{at})", f"log(a{at}, 1)")
    document = desk.documents["a.py"]
    found = repeated(desk.hunks(), [document], document.uri, document.line_starts[3])
    assert [one.line for one in found] == [4, 5, 0, 1]


def test_a_long_file_is_read_as_far_as_proposals_are_wanted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"log(a{at})\n" for at in range(5_000))
    desk.open("a.py", text)
    desk.replace("a.py", "log(a0)\nlog(a1)\n", "log(a0, 1)\nlog(a1, 1)\n")
    compared = Mock(wraps=tokens)
    monkeypatch.setattr("midspan_server.next_edit.repeat.tokens", compared)
    assert len(list(islice(repeated(desk.hunks(), desk.open_documents()), 10))) == 10
    assert compared.call_count < 100


def test_only_what_differs_is_replaced(desk: Desk) -> None:
    desk.open("a.py", "log(a)\nlog(b)\n\n\tlog(c)\n")
    desk.replace("a.py", "log(a)\nlog(b)", "log(a, 1)\nlog(b, 1)")
    [one] = repeated(desk.hunks(), desk.open_documents())
    assert (one.snapshot.text[one.start : one.end], one.text) == ("", ", 1")


def test_a_template_keeps_what_both_examples_share() -> None:
    def pair(before: str, after: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return tokens(before), tokens(after)

    found = template(pair("f(a, 1)", "g(1, a)"), pair("f(b, 1)", "g(1, b)"))
    assert found is not None
    assert found.words == {"f"}
    assert found.rewritten(tokens("f(cc, 1)")) == "g(1, cc)"
    assert found.rewritten(tokens("f(cc, 2)")) is None
    assert template(pair("f(a)", "g(a)"), pair("f(1)", "g(1)")) is None

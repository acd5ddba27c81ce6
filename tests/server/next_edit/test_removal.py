"""Which lines that go follow from what the person took away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_server.next_edit.proposal import Proposal
from midspan_server.next_edit.removal import removed_lines

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

HELPER = "def helper(a):\n    return a\n\n\n"
MAIN = "def main(b):\n    first(b)\n    helper(b)\n    if helper(1):\n        last(b)\n"


def _removed(desk: Desk, old: str, new: str = "") -> int:
    document = desk.documents["a.py"]
    start = document.text.index(old)
    part = Proposal(
        snapshot=document, start=start, end=start + len(old), text=new, label="", cause=""
    )
    return removed_lines(part, desk.hunks())


@pytest.mark.parametrize(
    "lines",
    ["    helper(b)\n", "    if helper(1):\n        last(b)\n", MAIN[MAIN.index("    helper") :]],
)
def test_uses_of_a_function_that_was_deleted_may_go(desk: Desk, lines: str) -> None:
    desk.open("a.py", HELPER + MAIN)
    desk.replace("a.py", HELPER, "")
    assert _removed(desk, lines) == 0


@pytest.mark.parametrize("lines", ["    first(b)\n", "    first(b)\n    helper(b)\n", MAIN])
def test_lines_without_the_name_are_counted(desk: Desk, lines: str) -> None:
    desk.open("a.py", HELPER + MAIN)
    desk.replace("a.py", HELPER, "")
    assert _removed(desk, lines) == lines.count("\n")


def test_a_name_that_something_declares_is_no_reason(desk: Desk) -> None:
    desk.open("a.py", HELPER + HELPER + MAIN)
    desk.replace("a.py", HELPER, "")
    assert _removed(desk, "    helper(b)\n") == 1


def test_a_renamed_name_is_no_reason(desk: Desk) -> None:
    desk.open("a.py", HELPER + MAIN)
    desk.replace("a.py", "def helper", "def other")
    assert _removed(desk, "    helper(b)\n") == 1


def test_a_function_may_go_with_its_last_use_and_not_before(desk: Desk) -> None:
    desk.open("a.py", HELPER + MAIN)
    desk.replace("a.py", "    helper(b)\n", "")
    assert _removed(desk, HELPER) == 4
    desk.replace("a.py", "    if helper(1):\n        last(b)\n", "")
    assert _removed(desk, HELPER) == 0


def test_lines_that_become_others_are_counted_as_before(desk: Desk) -> None:
    desk.open("a.py", HELPER + MAIN)
    desk.replace("a.py", HELPER, "")
    assert _removed(desk, "    helper(b)\n    if helper(1):\n", "    if b:\n") == 1


def test_without_a_grammar_nothing_follows(desk: Desk) -> None:
    desk.open("a.py", HELPER + MAIN, language="plaintext")
    desk.replace("a.py", HELPER, "")
    assert _removed(desk, "    helper(b)\n") == 1

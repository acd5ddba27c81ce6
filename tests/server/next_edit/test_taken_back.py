"""What is never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.proposal import Proposal
from midspan_server.next_edit.taken_back import is_no_news

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk


def _is_no_news(desk: Desk, old: str, new: str, name: str = "a.py") -> bool:
    document = desk.documents[name]
    start = document.text.index(old)
    proposal = Proposal(
        snapshot=document, start=start, end=start + len(old), text=new, label="", cause=""
    )
    return is_no_news(proposal, desk.hunks())


def test_an_edit_that_puts_the_old_line_back(desk: Desk) -> None:
    desk.open("a.py", "def f(a):\n    return a\n\n\nf(1)\n")
    desk.replace("a.py", "f(a)", "f(a, b)")
    assert _is_no_news(desk, "f(a, b)", "f(a)")
    assert not _is_no_news(desk, "f(1)", "f(1, 2)")


def test_a_rename_the_other_way_round_anywhere(desk: Desk) -> None:
    desk.open("a.py", "def f(width):\n    return 1\n\n\ndef g(breadth):\n    return breadth\n")
    desk.replace("a.py", "f(width)", "f(breadth)")
    assert _is_no_news(desk, "g(breadth)", "g(width)")


def test_a_deleted_line_is_not_put_back_but_may_move(desk: Desk) -> None:
    desk.open("a.py", "one()\ntwo()\nthree()\n" + "x = 1\n" * 20 + "last()\n")
    desk.replace("a.py", "two()\n", "")
    assert _is_no_news(desk, "three()", "two()\nthree()")
    assert not _is_no_news(desk, "last()", "two()\nlast()")


def test_a_new_line_is_neither_deleted_nor_written_twice(desk: Desk) -> None:
    desk.open("a.py", "one()\ntwo()\n" + "x = 1\n" * 20 + "last()\n")
    desk.replace("a.py", "one()\n", "one()\nmore()\n")
    assert _is_no_news(desk, "more()\n", "")
    assert _is_no_news(desk, "two()", "more()\ntwo()")
    assert not _is_no_news(desk, "last()", "more()\nlast()")


def test_going_on_with_what_was_begun_is_news(desk: Desk) -> None:
    desk.open("a.py", "x = 1\nlog(x)\n")
    desk.replace("a.py", "x = 1", "x = load()")
    assert not _is_no_news(desk, "x = load()", "x = load(1)")
    assert not _is_no_news(desk, "log(x)", "log(x.name)")


def test_another_document_has_its_own_history(desk: Desk) -> None:
    desk.open("a.py", "f(1)\n")
    desk.open("b.py", "f(1, 2)\n")
    desk.replace("a.py", "f(1)", "f(1, 2)")
    assert not _is_no_news(desk, "f(1, 2)", "f(1)", "b.py")

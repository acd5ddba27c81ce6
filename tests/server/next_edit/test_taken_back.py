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


def test_what_was_taken_back_meanwhile_forbids_nothing(desk: Desk) -> None:
    desk.open("a.py", "def f(width):\n    return 1\n\n\n\n\nq = 1\n\n\n\n\nx.width\ny.size\n")
    desk.replace("a.py", "f(width", "f(size")
    assert _is_no_news(desk, "y.size", "y.width")
    desk.replace("a.py", "q = 1", "q = 2")
    desk.replace("a.py", "f(size", "f(width")
    assert not _is_no_news(desk, "y.size", "y.width")
    assert _is_no_news(desk, "x.width", "x.size")


def test_after_two_names_were_swapped_either_direction_goes_on(desk: Desk) -> None:
    desk.open("a.py", "x = a\ny = b\n\n\n\n\nz = a\nw = b\n")
    desk.replace("a.py", "x = a", "x = b")
    desk.replace("a.py", "y = b", "y = a")
    assert not _is_no_news(desk, "z = a", "z = b")
    assert not _is_no_news(desk, "w = b", "w = a")
    assert _is_no_news(desk, "x = b", "x = a")
    assert _is_no_news(desk, "y = a", "y = b")


def test_the_same_line_may_come_into_the_block_beside(desk: Desk) -> None:
    desk.open("a.ts", "interface A {\n  id: string;\n}\n\ninterface B {\n  id: string;\n}\n")
    desk.replace("a.ts", "  id: string;\n", "  id: string;\n  name: string;\n")
    with_name = "  id: string;\n  name: string;\n"
    assert not _is_no_news(desk, "B {\n  id: string;\n", f"B {{\n{with_name}", "a.ts")
    assert _is_no_news(desk, "  name: string;\n", "  name: string;\n" * 2, "a.ts")
    assert _is_no_news(
        desk, "A {\n  id: string;\n", "A {\n  name: string;\n  id: string;\n", "a.ts"
    )

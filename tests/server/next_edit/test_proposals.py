"""What is offered after an edit: rules in order, what was refused left out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from midspan_server.next_edit.elsewhere import uses_elsewhere
from midspan_server.next_edit.proposals import MOST_OFFERED, NextEdits, searched

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk


def _offers(desk: Desk, next_edits: NextEdits, offset: int = 0) -> list[str]:
    found = next_edits.propose(
        desk.history, desk.open_documents(), desk.documents["a.py"].uri, offset
    )
    return [one.proposal.text for one in found]


def _take_all(desk: Desk, most: int = 50) -> int:
    """Take what is offered first until nothing is; the cursor stays behind what was taken."""
    next_edits, uri, offset = NextEdits(), desk.documents["a.py"].uri, 0
    for taken in range(most):
        found = next_edits.propose(desk.history, desk.open_documents(), uri, offset)
        if not found:
            return taken
        edit = found[0].proposal
        uri, offset = edit.snapshot.uri, edit.start + len(edit.text)
        next_edits.memory.accepted(found[0].id)
        name = next(one for one, document in desk.documents.items() if document.uri == uri)
        desk.edit(name, edit.start, edit.end, edit.text)
    return most


def test_a_rename_comes_before_the_same_change_again(desk: Desk) -> None:
    desk.open("a.py", "def f(width):\n    log(width)\n\n    log(width)\n\n    log(width)\n")
    desk.replace("a.py", "width", "breadth")
    next_edits = NextEdits()
    assert _offers(desk, next_edits) == ["breadth"] * 3


def test_the_same_change_again_is_offered_where_no_rename_is(desk: Desk) -> None:
    desk.open("a.py", "log(a)\n\nlog(b)\n\nlog(c)\n")
    desk.replace("a.py", "log(a)", "log(a, 1)")
    desk.replace("a.py", "log(b)", "log(b, 1)")
    assert _offers(desk, NextEdits()) == [", 1"]


def test_a_dismissed_rename_does_not_come_back_as_a_repeated_change(desk: Desk) -> None:
    desk.open("a.py", "width = 1\nlog(width)\n\nlog(width)\n\nlog(width)\n")
    desk.replace("a.py", "width", "breadth")
    next_edits = NextEdits()
    for _ in range(2):
        [first, *_] = next_edits.propose(
            desk.history, desk.open_documents(), desk.documents["a.py"].uri, 0
        )
        edit = first.proposal
        next_edits.memory.accepted(first.id)
        desk.edit("a.py", edit.start, edit.end, edit.text)
    [last] = next_edits.propose(desk.history, desk.open_documents(), desk.documents["a.py"].uri, 0)
    next_edits.memory.dismissed(last.id)
    assert _offers(desk, next_edits) == []


def test_quiet_without_an_edit_and_after_formatting(desk: Desk) -> None:
    desk.open("a.py", "def f(a,b):\n    return a\n")
    assert _offers(desk, NextEdits()) == []
    desk.replace("a.py", "a,b", "a, b")
    assert _offers(desk, NextEdits()) == []


def test_the_number_of_offers_is_bounded(desk: Desk) -> None:
    uses = "".join(f"    a{at} = width\n" for at in range(50))
    desk.open("a.py", f"def f(width):\n{uses}")
    desk.replace("a.py", "width", "breadth")
    assert len(_offers(desk, NextEdits())) == MOST_OFFERED


@pytest.mark.parametrize(
    "text",
    [
        "def f(width):\n    a(width)\n    b(width)\ndef g(width):\n    c(width)\n",
        """class A:
    def f(self):
        self.width = 1
        a(self.width)
        b(self.width)
class B:
    def f(self):
        self.width = 1
        c(self.width)
""",
        """class A:
    def width(self): pass
a = A()
a.width()
b = A()
b.width()
class B:
    def width(self): pass
c = B()
c.width()
""",
    ],
)
def test_a_rename_that_is_done_is_not_made_again_where_the_name_means_another(
    desk: Desk, text: str
) -> None:
    desk.open("a.py", text)
    desk.replace("a.py", "width", "breadth")
    assert _take_all(desk) == 2
    assert desk.documents["a.py"].text == text.replace("width", "breadth", 3)


def test_a_rename_goes_through_all_open_files(desk: Desk) -> None:
    desk.open("a.py", "def width():\n    pass\n")
    for number in range(20):
        desk.open(f"b{number}.py", "from a import width\n\nwidth()\n")
    desk.replace("a.py", "width", "breadth")
    assert _take_all(desk) == 40


def test_the_file_of_the_cursor_comes_first(desk: Desk) -> None:
    for name in ("a.py", "b.py", "c.py"):
        desk.open(name, "from a import width\n\nwidth()\n")
    desk.open("a.py", "def width():\n    pass\n\nwidth()\n")
    desk.replace("a.py", "width", "breadth")
    found = NextEdits().propose(
        desk.history, desk.open_documents(), desk.documents["c.py"].uri, offset=10
    )
    places = [(one.proposal.snapshot.uri[-4:], one.proposal.line) for one in found]
    assert places == [("c.py", 0), ("c.py", 2), ("a.py", 3), ("b.py", 0), ("b.py", 2)]


def test_no_more_files_are_searched_than_are_needed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched_in = Mock(wraps=uses_elsewhere)
    monkeypatch.setattr("midspan_server.next_edit.follow.uses_elsewhere", searched_in)
    desk.open("a.py", "def width():\n    pass\n")
    for number in range(20):
        desk.open(f"b{number}.py", "from a import width\n" + "width()\n" * 5)
    desk.replace("a.py", "width", "breadth")
    assert len(_offers(desk, NextEdits())) == MOST_OFFERED
    assert searched_in.call_count == 2


def test_of_files_not_used_lately_those_are_searched_that_have_a_renamed_name(desk: Desk) -> None:
    for number in range(20):
        desk.open(f"b{number}.py", "width()\n" if number % 5 == 0 else "other()\n")
    desk.open("a.py", "def width():\n    pass\n")
    desk.replace("a.py", "width", "breadth")
    names = [one.uri.rpartition("/")[2] for one in searched(desk.history, desk.open_documents())]
    assert names == [*(f"b{at}.py" for at in range(8)), "b10.py", "b15.py", "a.py"]

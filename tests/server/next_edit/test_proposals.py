"""What is offered after an edit: rules in order, what was refused left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.proposals import MOST_OFFERED, NextEdits

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk


def _offers(desk: Desk, next_edits: NextEdits, offset: int = 0) -> list[str]:
    found = next_edits.propose(
        desk.history, desk.open_documents(), desk.documents["a.py"].uri, offset
    )
    return [one.proposal.text for one in found]


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

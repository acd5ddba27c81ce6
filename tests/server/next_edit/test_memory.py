"""Offers that were refused or undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.memory import Memory
from midspan_server.next_edit.proposal import Proposal, in_reading_order

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

    from midspan_server.snapshot import DocumentSnapshot


def _proposal(document: DocumentSnapshot, number: int, cause: str = "rename") -> Proposal:
    start = -1
    for _ in range(number + 1):
        start = document.text.index("old", start + 1)
    return Proposal(
        snapshot=document, start=start, end=start + 3, text="new", label="", cause=cause
    )


def test_an_id_stays_while_its_line_does(desk: Desk) -> None:
    memory = Memory()
    first = desk.open("a.py", "old\nx\nold\n")
    name = memory.offered(_proposal(first, 1))
    second = desk.replace("a.py", "x", "y")
    assert memory.offered(_proposal(second, 1)) == name
    assert memory.offered(_proposal(second, 0)) != name


def test_what_was_dismissed_is_refused_when_lines_come_above_or_below(desk: Desk) -> None:
    memory = Memory()
    document = desk.open("a.py", "f(old)\ng(old)\n")
    assert memory.dismissed(memory.offered(_proposal(document, 1)))
    above = desk.replace("a.py", "f(", "\n\nf(")
    assert not memory.allows(_proposal(above, 1))
    below = desk.open("a.py", "f(old)\ng(old)\n\n\n")
    assert not memory.allows(_proposal(below, 1))
    assert memory.allows(_proposal(below, 0))


def test_two_refusals_of_one_cause_refuse_all_of_it(desk: Desk) -> None:
    memory = Memory()
    document = desk.open("a.py", "old\nold\nold\n")
    for number in range(2):
        memory.dismissed(memory.offered(_proposal(document, number)))
    assert not memory.allows(_proposal(document, 2))
    assert memory.allows(_proposal(document, 2, "another"))


def test_an_accept_forgives_a_refusal_and_is_not_offered_again(desk: Desk) -> None:
    memory = Memory()
    document = desk.open("a.py", "1 old\n2 old\n3 old\n4 old\n")
    names = [memory.offered(_proposal(document, number)) for number in range(4)]
    memory.dismissed(names[0])
    memory.accepted(names[1])
    memory.dismissed(names[2])
    assert memory.allows(_proposal(document, 3))
    assert not memory.allows(_proposal(document, 1))


def test_a_name_changed_back_and_forth_is_offered_each_time(desk: Desk) -> None:
    memory = Memory()
    for old, new in (("old", "new"), ("new", "old"), ("old", "new")):
        document = desk.open("a.py", f"f({old})\n")
        offer = Proposal(
            snapshot=document, start=2, end=5, text=new, label="", cause=f"{old} {new}"
        )
        assert memory.allows(offer)
        memory.accepted(memory.offered(offer))
        assert not memory.allows(offer)


def test_an_unknown_id_is_told() -> None:
    memory = Memory()
    assert not memory.dismissed("1-n1")
    assert not memory.accepted("1-n1")


def test_reading_order_is_from_the_cursor_and_wraps(desk: Desk) -> None:
    document = desk.open("a.py", "old\nold\nold\n")
    other = desk.open("b.py", "old\n")
    proposals = [_proposal(document, number) for number in range(3)]
    ordered = in_reading_order([_proposal(other, 0), *proposals], document.uri, 4)
    assert [one.start for one in ordered] == [4, 8, 0, 0]
    assert ordered[-1].snapshot is other


def test_what_was_taken_may_come_again_when_its_cause_ended_what_was_refused_not(
    desk: Desk,
) -> None:
    memory = Memory()
    document = desk.open("a.py", "1 old\n2 old\n")
    memory.accepted(memory.offered(_proposal(document, 0)))
    memory.dismissed(memory.offered(_proposal(document, 1)))
    assert memory.taken() == {"rename"}
    assert memory.has_taken(document.uri, "1 old", "1 new")
    memory.ended("rename")
    assert memory.allows(_proposal(document, 0))
    assert not memory.allows(_proposal(document, 1))

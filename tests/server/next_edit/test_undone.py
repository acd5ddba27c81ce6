"""Renames that were taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_server.next_edit.memory import Memory
from midspan_server.next_edit.proposal import Proposal
from midspan_server.next_edit.undone import brings_back, is_over

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

CAUSE = "width size"


def _taken(desk: Desk, memory: Memory) -> None:
    document = desk.documents["a.py"]
    start = document.text.index("width")
    proposal = Proposal(
        snapshot=document, start=start, end=start + 5, text="size", label="", cause=CAUSE
    )
    memory.accepted(memory.offered(proposal))
    desk.edit("a.py", start, start + 5, "size")


def test_a_change_that_writes_the_old_name_may_take_a_rename_back(desk: Desk) -> None:
    before = desk.open("a.py", "f(size)\nx\nwidth\n")
    back = desk.replace("a.py", "size", "width")
    assert brings_back(CAUSE, before, back)
    assert not brings_back("again width size", before, back)
    assert not brings_back(CAUSE, back, desk.replace("a.py", "x", "y"))


def test_a_rename_is_over_when_nothing_is_left_of_it(desk: Desk) -> None:
    memory = Memory()
    desk.open("a.py", "f(width)\nx\nx\nwidth\n")
    desk.replace("a.py", "f(width)", "f(size)")
    _taken(desk, memory)
    desk.replace("a.py", "\nsize", "\nwidth")
    assert not is_over(CAUSE, desk.hunks(), memory)
    desk.replace("a.py", "f(size)", "f(width)")
    assert is_over(CAUSE, desk.hunks(), memory)


def test_a_use_taken_back_later_does_not_end_a_rename_but_the_declaration_does(
    desk: Desk,
) -> None:
    memory = Memory()
    desk.open("a.py", "f(width)\nx\nx\nwidth\n")
    desk.replace("a.py", "f(width)", "f(size)")
    _taken(desk, memory)
    desk.replace("a.py", "x", "y")
    desk.replace("a.py", "\nsize", "\nwidth")
    assert not is_over(CAUSE, desk.hunks(), memory)
    desk.replace("a.py", "f(size)", "f(width)")
    assert is_over(CAUSE, desk.hunks(), memory)

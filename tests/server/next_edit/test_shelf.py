"""Edits that wait are carried along, or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midspan_server.next_edit.proposal import Found, Proposal
from midspan_server.next_edit.shelf import Shelf, carried

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

TEXT = "one\ntwo\nthree\nfour\nfive\n"


def _proposal(desk: Desk, old: str, new: str, name: str = "a.py") -> Proposal:
    document = desk.documents[name]
    start = document.text.index(old)
    return Proposal(
        snapshot=document, start=start, end=start + len(old), text=new, label="", cause=""
    )


def test_typing_above_moves_an_edit_and_typing_below_does_not(desk: Desk) -> None:
    before = desk.open("a.py", TEXT)
    proposal = _proposal(desk, "three", "3")
    above = carried(proposal, before, desk.replace("a.py", "one\n", "one\nand\n"))
    assert above is not None
    assert above.applied() == "one\nand\ntwo\n3\nfour\nfive\n"
    middle = desk.documents["a.py"]
    below = carried(above, middle, desk.replace("a.py", "five", "six"))
    assert below is not None
    assert below.applied() == "one\nand\ntwo\n3\nfour\nsix\n"


def test_an_edit_whose_line_is_touched_is_dropped(desk: Desk) -> None:
    before = desk.open("a.py", TEXT)
    proposal = _proposal(desk, "three", "3")
    assert carried(proposal, before, desk.replace("a.py", "thre", "thr")) is None


def test_an_edit_of_another_version_is_dropped(desk: Desk) -> None:
    desk.open("a.py", TEXT)
    proposal = _proposal(desk, "three", "3")
    second = desk.replace("a.py", "one", "1")
    assert carried(proposal, second, desk.replace("a.py", "five", "5")) is None


def test_a_shelf_keeps_the_edits_of_other_documents(desk: Desk) -> None:
    before = desk.open("a.py", TEXT)
    desk.open("b.py", TEXT)
    shelf = Shelf()
    shelf.put(Found(_proposal(desk, "two", "2", name), 0.5) for name in ("a.py", "b.py"))
    assert shelf.changed(before, desk.replace("a.py", "two", "zwei"))
    [left] = shelf.waiting()
    assert left.proposal.snapshot.uri.endswith("b.py")
    shelf.forget(left.proposal.snapshot.uri)
    assert shelf.waiting() == ()


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 24), st.integers(0, 24), st.sampled_from(["", "x", "\n", "y\nz\n"]))
def test_what_is_carried_still_replaces_the_same_text(
    desk: Desk, start: int, end: int, text: str
) -> None:
    before = desk.open("a.py", TEXT)
    proposal = _proposal(desk, "three", "3")
    after = desk.edit("a.py", min(start, end), max(start, end), text)
    moved = carried(proposal, before, after)
    if moved is not None:
        assert after.text[moved.start : moved.end] == "three"
        assert moved.line_text() == "three"

"""One change of several places, and two changes as one."""

from __future__ import annotations

from midspan_server.line_change import LineChange


def _change(first: int, old: str, new: str) -> LineChange:
    return LineChange(
        uri="file:///a.py",
        path=None,
        first=first,
        old=tuple(old.split("|")) if old else (),
        new=tuple(new.split("|")) if new else (),
        at=0.0,
    )


def test_the_pieces_of_a_change_are_numbered_as_if_each_came_first() -> None:
    whole = _change(10, "a|1|2|3|b", "A|A|1|2|3|B")
    assert whole.pieces() == [_change(10, "a", "A|A"), _change(14, "b", "B")]


def test_lines_beside_a_change_touch_it_and_do_not_overlap() -> None:
    known = _change(3, "a", "A|B")
    beside, inside = _change(5, "c", "d"), _change(4, "B", "b")
    assert (known.touches(beside), known.overlaps(beside)) == (True, False)
    assert (known.touches(inside), known.overlaps(inside)) == (True, True)
    assert known.then(inside) == _change(3, "a", "A|b")


def test_lines_that_come_above_move_a_change_and_those_below_do_not() -> None:
    known = _change(3, "a", "b")
    assert known.moved(_change(1, "", "x|y")) == _change(5, "a", "b")
    assert known.moved(_change(4, "x", "")) == known

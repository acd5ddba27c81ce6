"""Candidate regions: what is found and in what order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midspan_server import syntax
from midspan_server.next_edit.regions import (
    REGION_CHARS,
    REGION_LINES,
    REGION_TOKENS,
    Candidate,
    candidates,
)
from midspan_server.next_edit.tokens import model_tokens

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

_PLENTY_MS = 10_000


def _found(desk: Desk, limit: int = 5, budget_ms: float = _PLENTY_MS) -> list[Candidate]:
    return candidates(desk.history, desk.open_documents(), limit, budget_ms)


def _far(*lines: str) -> str:
    """The lines with 30 others between each two."""
    filler = "\n".join(f"x{at} = {at}" for at in range(30))
    return f"\n{filler}\n".join(lines)


def test_uses_of_a_renamed_name_come_first(desk: Desk) -> None:
    desk.open("a.py", _far("def area(width):", "print(depth)", "y = width + 1", "# width"))
    desk.replace("a.py", "width", "breadth")
    best = _found(desk)[0]
    assert best.reason == "renamed"
    assert best.start_line <= 62 < best.end_line
    assert best.version == 2


def test_callers_of_a_function_that_got_a_parameter_are_not_missed(desk: Desk) -> None:
    desk.open("a.py", _far("def area(w):", "area(1)"))
    desk.open("b.py", "from a import other\nother(1)\n")
    desk.replace("a.py", "def area(w)", "def area(w, other)")
    found = {(one.uri.rsplit("/", 1)[1], one.reason) for one in _found(desk)}
    assert ("a.py", "near") in found
    assert ("b.py", "reference") in found or ("b.py", "import") in found


def test_lines_that_look_like_the_changed_one(desk: Desk) -> None:
    desk.open("a.py", _far("add(one, 1)", "add(two, 2)", "put(three, 3)"))
    desk.replace("a.py", "add(one, 1)", "add(one, 1, True)")
    similar = [one for one in _found(desk) if one.reason == "similar"]
    assert [one.start_line <= 31 < one.end_line for one in similar] == [True]


def test_definitions_and_imports_of_a_new_name(desk: Desk) -> None:
    desk.open("a.py", _far("x = 1", "y = 2"))
    desk.open("b.py", _far("from c import area", "def other(): pass"))
    desk.open("c.py", "def area(a):\n    return a\n")
    desk.replace("a.py", "x = 1", "x = area(1)")
    reasons = {one.uri.rsplit("/", 1)[1]: one.reason for one in _found(desk)}
    assert (reasons["b.py"], reasons["c.py"]) == ("import", "definition")


def test_many_similar_lines_leave_room_for_the_rest(desk: Desk) -> None:
    desk.open("a.py", _far("x = old", *(f"x = a{at}" for at in range(12))))
    desk.open("b.py", "def other(): pass\n")
    desk.replace("a.py", "x = old", "x = other")
    reasons = [one.reason for one in _found(desk)]
    assert "definition" in reasons
    assert "similar" in reasons


def test_a_region_of_dense_text_has_fewer_lines(desk: Desk) -> None:
    row = "<td><b>{}</b></td>"
    desk.open("a.html", "\n".join(row.format(at) for at in range(60)), "html")
    document = desk.replace("a.html", row.format(30), row.format("width"))
    best = _found(desk)[0]
    start, end = document.line_starts[best.start_line], document.line_starts[best.end_line]
    assert 2 <= best.end_line - best.start_line < REGION_LINES
    assert model_tokens(document.text[start:end]) <= REGION_TOKENS


def test_formatting_says_nothing(desk: Desk) -> None:
    desk.open("a.py", "x = f(a,b)\ny = f(a,b)\n")
    desk.replace("a.py", "a,b", "a, b")
    assert _found(desk) == []


def test_nothing_was_edited(desk: Desk) -> None:
    desk.open("a.py", "x = 1\n")
    assert _found(desk) == []


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.sampled_from(["width = 1", "", "f(width)", "x" * 700, "# width", "def g(): pass", "\r"]),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 6),
    st.integers(0, 9),
)
def test_regions_are_within_their_document_and_apart(
    desk: Desk, lines: list[str], limit: int, place: int
) -> None:
    text = "\n".join(["width = 0", *lines])
    desk.history.forget(desk.open("a.py", text).uri)
    document = desk.replace("a.py", "width", "breadth", place % text.count("width"))
    found = _found(desk, limit)
    assert len(found) <= limit
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    seen: set[int] = set()
    for one in found:
        numbers = range(one.start_line, one.end_line)
        assert 0 < len(numbers) <= REGION_LINES
        assert numbers.stop <= document.line_count
        assert one.version == document.version
        assert 0 < one.score <= 1
        size = document.line_end(numbers[-1]) - document.line_starts[numbers[0]]
        assert size <= REGION_CHARS or len(numbers) == 1
        assert not seen.intersection(numbers)
        seen.update(numbers)


def _program(lines: int) -> str:
    body = (f"    cell_{at} = width * {at} + helper(cell_{at - 1})" for at in range(lines))
    return "\n".join(["def area(width):", *body])


def test_when_the_time_is_up_what_is_found_so_far_is_returned(desk: Desk) -> None:
    for name in ("a.py", "b.py"):
        syntax.parse(desk.open(name, _program(500)))
    syntax.parse(desk.replace("a.py", "area(width)", "area(breadth)"))
    hurried, whole = _found(desk, limit=50, budget_ms=0), _found(desk, limit=50)
    assert hurried
    assert len(hurried) < len(whole)

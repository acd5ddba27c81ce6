"""From a rewritten region to edits of the document."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from midspan_server.next_edit.asking import region_text
from midspan_server.next_edit.proposal import Proposal
from midspan_server.next_edit.regions import Candidate
from midspan_server.next_edit.rewritten import joined, proposals
from midspan_server.snapshot import DocumentSnapshot

URI = "file:///a.py"
_LINES = st.lists(st.sampled_from(["", "a", "b = 1", "    c(d)", "c(d, e)"]), max_size=9)


def _document(text: str) -> DocumentSnapshot:
    return DocumentSnapshot(URI, Path("/a.py"), 1, "python", text)


def _region(start: int, end: int) -> Candidate:
    return Candidate(uri=URI, version=1, start_line=start, end_line=end, reason="near", score=1.0)


def _edits(text: str, start: int, end: int, new: str) -> list[tuple[int, str, str]]:
    """Line, old text and new text of each."""
    found = proposals(_document(text), _region(start, end), new)
    return [(one.line, text[one.start : one.end], one.text) for one in found]


def test_only_what_differs_within_a_line_is_replaced() -> None:
    assert _edits("a\nfoo(b, c)\nd\n", 0, 3, "a\nfoo(b, x, c)\nd\n") == [(1, "", "x, ")]


def test_lines_that_stay_are_left_alone() -> None:
    text = "a\nb\nc\nd\ne\n"
    assert _edits(text, 1, 4, "b\nX\nY\nd\n") == [(2, "c", "X\nY")]
    assert _edits(text, 1, 4, "b\nd\n") == [(2, "c\n", "")]
    assert _edits(text, 1, 4, "b\nc\nnew\nd\n") == [(3, "", "new\n")]


def test_a_region_of_which_nothing_is_left_is_removed_with_its_line_ends() -> None:
    text = "a\nb\nc\nd\n"
    assert _edits(text, 1, 3, "") == [(1, "b\nc\n", "")]
    assert _edits(text, 0, 4, "") == [(0, text, "")]
    assert _edits("a\nb\nc", 1, 3, "") == [(0, "\nb\nc", "")]
    assert _edits("a\r\nb\r\nc\r\n", 1, 3, "") == [(1, "b\r\nc\r\n", "")]


def test_places_that_are_far_apart_are_edits_of_their_own() -> None:
    text = "".join(f"x{at} = 1\n" for at in range(8))
    new = text.replace("x0 = 1", "x0 = 2").replace("x7 = 1", "x7 = 2")
    assert _edits(text, 0, 8, new) == [(0, "1", "2"), (7, "1", "2")]
    near = text.replace("x0 = 1", "x0 = 2").replace("x2 = 1", "x2 = 2")
    [one] = _edits(text, 0, 8, near)
    assert one == (0, "x0 = 1\nx1 = 1\nx2 = 1", "x0 = 2\nx1 = 1\nx2 = 2")


def test_the_documents_line_ends_are_kept() -> None:
    [one] = _edits("a\r\nb\r\nc\r\n", 0, 3, "a\nX\nY\nc\n")
    assert one == (1, "b", "X\r\nY")


def test_a_last_line_without_an_end_stays_so() -> None:
    assert _edits("a\nb", 0, 2, "a\nb\nc\n") == [(1, "", "\nc")]
    assert _edits("a\nb", 0, 2, "a\n") == [(0, "\nb", "")]
    assert _edits("a\nb", 0, 2, "a\nb\n") == []


def test_blanks_alone_are_no_edit() -> None:
    assert _edits("a = 1\n\nb\n", 0, 3, "a  =  1\nb\n") == []


def test_edits_are_joined_with_what_stands_between_them() -> None:
    text = "".join(f"x{at} = 1\n" for at in range(8))
    new = text.replace("x0 = 1", "x0 = 2").replace("x7 = 1", "x7 = 2")
    whole = joined(proposals(_document(text), _region(0, 8), new))
    assert whole.applied() == new


@given(_LINES, _LINES, _LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_all_edits_together_make_the_answer_but_for_blanks(
    before: list[str], old: list[str], new: list[str], line_end: str, ends: bool
) -> None:
    text = line_end.join((*before, *old, *(["tail", ""] if ends else [])))
    document = _document(text)
    region = _region(len(before), len(before) + max(len(old), 1))
    if region.end_line > document.line_count:
        return
    answer = "".join(f"{line}\n" for line in new)
    made = text
    for one in reversed(proposals(document, region, answer)):
        assert isinstance(one, Proposal)
        made = made[: one.start] + one.text + made[one.end :]
    original = region_text(document, region.start_line, region.end_line)
    wanted = text.replace("\r\n", "\n")
    start = len("".join(f"{line}\n" for line in before))
    wanted = wanted[:start] + answer + wanted[start + len(original) :]
    assert made.split() == wanted.split()
    assert "\n" not in made.replace("\r\n", "") or "\r\n" not in text

"""What holds for every filter and any text."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_server.postprocess import FILTERS, Filter, Place, postprocess
from midspan_server.snapshot import DocumentSnapshot
from midspan_server.trigger import ScopeDecision

_numbers = count()
_LINES = st.sampled_from(
    [
        "def f(x):",
        "    return x",
        "    y = g(x, [1])",
        "if (a) {",
        "  b();",
        "}",
        "\tc(d)",
        "",
        "# why",
    ]
)
_document = st.lists(_LINES, max_size=8).map("\n".join)
_suggestion = st.lists(
    st.one_of(_LINES, st.text(st.sampled_from("ab(){}[]'\" \t#:;"), max_size=12)), max_size=5
).map("\n".join)


@st.composite
def _places(draw: st.DrawFn) -> Place:
    text = draw(_document)
    snapshot = DocumentSnapshot(
        uri=f"file:///filters/{next(_numbers)}",
        path=None,
        version=1,
        language=draw(st.sampled_from(["python", "typescript", "lua", "plaintext"])),
        text=text,
    )
    scope = draw(st.sampled_from([ScopeDecision(), ScopeDecision(scope="block", block_indent=1)]))
    return Place(snapshot, draw(st.integers(0, len(text))), scope)


def _is_subsequence(part: str, whole: str) -> bool:
    characters = iter(whole)
    return all(character in characters for character in part)


@pytest.mark.parametrize("apply", FILTERS, ids=lambda apply: apply.__name__)
@given(text=_suggestion, place=_places())
@settings(max_examples=40, deadline=None)
def test_a_filter_adds_nothing_but_white_space(apply: Filter, text: str, place: Place) -> None:
    kept = apply(text, place)
    if kept is not None:
        assert _is_subsequence("".join(kept.split()), "".join(text.split()))


@pytest.mark.parametrize("apply", FILTERS, ids=lambda apply: apply.__name__)
@given(text=_suggestion, place=_places())
@settings(max_examples=40, deadline=None)
def test_a_filter_has_nothing_to_do_the_second_time(apply: Filter, text: str, place: Place) -> None:
    once = apply(text, place)
    if once is not None:
        assert apply(once, place) == once


@given(text=_suggestion, place=_places())
@settings(max_examples=100, deadline=None)
def test_what_is_shown_can_be_seen(text: str, place: Place) -> None:
    shown = postprocess(text, place)
    assert shown is None or shown.strip()


def test_line_ends_of_all_kinds_become_one() -> None:
    snapshot = DocumentSnapshot("file:///filters/ends", None, 1, "python", "a\r\nb\r\n")
    place = Place(snapshot, 0, ScopeDecision(scope="block"))
    assert postprocess("c\rd\ne\r\nf", place) == "c\r\nd\r\ne\r\nf"

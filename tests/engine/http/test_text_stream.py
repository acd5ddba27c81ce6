from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.http.text_stream import TextStream


def test_what_may_be_the_beginning_of_a_stop_string_is_held_back() -> None:
    stream = TextStream(["\n\n", "END"])
    assert stream.more("a = 1\n") == "a = 1"
    assert stream.more("a = 1\nb = E") == "\nb ="
    assert stream.more("a = 1\nb = EN") == ""
    assert stream.more("a = 1\nb = ENV") == " ENV"
    assert stream.rest("a = 1\nb = ENV") == ""


def test_blanks_at_the_end_wait_for_what_follows() -> None:
    stream = TextStream([])
    assert stream.more("return x\n    ") == "return x"
    assert stream.rest("return x") == ""


@given(
    st.text("ab\n ", max_size=60),
    st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=3),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_the_pieces_add_up_to_the_text_before_the_first_stop_string(
    text: str, stop: list[str], cuts: list[int]
) -> None:
    ends = [at for string in stop if (at := text.find(string)) >= 0]
    final = text[: min(ends, default=len(text))]
    stream = TextStream(stop)
    # What the engine has said by some pass: it stops at the first stop string by itself.
    pieces = [stream.more(final[:cut]) for cut in sorted(cuts)]
    assert "".join(pieces) + stream.rest(final) == final

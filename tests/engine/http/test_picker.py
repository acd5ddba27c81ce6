from __future__ import annotations

import contextlib
import itertools

from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.http.picker import SessionPicker, shared_length


def used(picker: SessionPicker, caller: str, text: str) -> str:
    with picker.session(caller, text) as name:
        return name.name


def test_the_next_keystroke_finds_the_session_of_the_one_before_it() -> None:
    picker = SessionPicker(8)
    first = used(picker, "me", "import os\n\ndef f():\n    ret")
    other = used(picker, "me", "class Other:\n    pass\n" * 3)
    assert first != other
    assert used(picker, "me", "import os\n\ndef f():\n    retu") == first
    assert used(picker, "me", "class Other:\n    pass\n" * 3 + "x") == other


def test_a_window_that_slides_is_kept_in_place() -> None:
    picker = SessionPicker(4)
    file = "".join(f"line {n} of the file\n" for n in range(400))
    texts = []
    for end in range(3000, 3000 + 300, 10):
        window = file[end - 2000 : end]
        with picker.session("me", window) as picked:
            texts.append(picked.earlier + window)
    assert all(later.startswith(text) for text, later in itertools.pairwise(texts))
    assert all(text in file for text in texts)


def test_a_window_that_slid_too_far_starts_anew() -> None:
    picker = SessionPicker(4)
    file = "".join(f"line {n} of the file\n" for n in range(2000))
    longest = 0
    for end in range(3000, 20_000, 500):
        window = file[end - 2000 : end]
        with picker.session("me", window) as picked:
            longest = max(longest, len(picked.earlier))
            assert picked.earlier + window in file
    assert 2000 < longest <= 4096


def test_first_lines_that_were_deleted_are_not_put_back() -> None:
    picker = SessionPicker(4)
    top = "import os\nimport secrets_of_mine\n" * 3
    rest = "".join(f"line {n} of the file\n" for n in range(60))
    used(picker, "me", top + rest)
    with picker.session("me", rest) as picked:
        assert picked.earlier == ""
    with picker.session("me", rest + "x") as picked:
        assert picked.earlier == ""


def test_first_lines_of_a_window_that_has_slid_can_be_deleted_too() -> None:
    picker = SessionPicker(4)
    file = "".join(f"line {n} of the file\n" for n in range(400))
    for end in (3000, 3010, 3020):
        window = file[end - 2000 : end]
        with picker.session("me", window) as picked:
            assert len(picked.earlier) == end - 3000
    shorter = window[300:]
    with picker.session("me", shorter) as picked:
        assert picked.earlier == ""


def test_another_place_of_a_file_is_not_taken_for_a_window_that_slid() -> None:
    picker = SessionPicker(4)
    used(picker, "me", "import os\n" * 3 + "a = 1\n" * 100)
    with picker.session("me", "a = 1\n" * 10 + "b = 2\n" * 100) as picked:
        assert picked.earlier == ""


def test_callers_never_share_a_session_that_is_remembered() -> None:
    picker = SessionPicker(8)
    mine = used(picker, "me", "x = 1\n" * 20)
    assert used(picker, "you", "x = 1\n" * 20) != mine


def test_the_same_text_twice_at_a_time_takes_two_sessions() -> None:
    picker = SessionPicker(4)
    with contextlib.ExitStack() as stack:
        names = {stack.enter_context(picker.session("me", "same text " * 9)).name for _ in range(4)}
        assert len(names) == picker.busy == 4
    assert picker.busy == 0


def test_a_text_that_shares_little_takes_over_the_session_not_used_for_longest() -> None:
    picker = SessionPicker(2)
    first = used(picker, "me", "a" * 100)
    second = used(picker, "me", "b" * 100)
    assert used(picker, "me", "a" * 20 + "c" * 80) == first
    assert used(picker, "me", "d" * 100) == second


def test_a_session_is_free_again_after_an_error() -> None:
    picker = SessionPicker(1)
    with contextlib.suppress(KeyError), picker.session("me", "x"):
        raise KeyError
    assert picker.busy == 0


@given(st.text("ab", max_size=40), st.text("ab", max_size=40))
def test_shared_length_is_that_of_the_common_beginning(first: str, second: str) -> None:
    length = shared_length(first, second)
    assert first[:length] == second[:length]
    assert first[length : length + 1] != second[length : length + 1] or length == len(first) == len(
        second
    )

"""The probability of being taken: what raises it, what lowers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from midspan_engine.protocol import Edited
from midspan_server.next_edit.acceptance import THRESHOLDS, WEIGHTS
from midspan_server.next_edit.judging import Features, features, probability, vector
from midspan_server.next_edit.proposal import Proposal

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

SURE = Features(
    edit_probability=0.95,
    mean_logprob=-0.1,
    lowest_logprob=-0.3,
    changed_chars=12,
    changed_lines=1,
)


def _edited(text: str = "") -> Edited:
    return Edited(
        id=1,
        document_version=1,
        finish="edit",
        text=text,
        edit_probability=0.9,
        mean_logprob=-0.2,
        lowest_logprob=-0.4,
    )


def _features(desk: Desk, old: str, new: str) -> Features:
    document = desk.documents["a.py"]
    start = document.text.index(old)
    proposal = Proposal(
        snapshot=document, start=start, end=start + len(old), text=new, label="", cause=""
    )
    return features(_edited(), [proposal], desk.hunks())


@pytest.mark.parametrize(
    "worse",
    [
        {"edit_probability": 0.4},
        {"mean_logprob": -1.0},
        {"lowest_logprob": -2.0},
        {"breaks_syntax": True},
        {"lines_away": 200},
        {"is_elsewhere": True},
        {"removed_lines": 8},
        {"copied_share": 1.0},
    ],
)
def test_doubt_size_distance_and_damage_lower_it(worse: dict[str, float]) -> None:
    assert probability(msgspec.structs.replace(SURE, **worse)) < probability(SURE)


def test_it_is_a_probability_and_extremes_do_no_harm() -> None:
    for sure in (0.0, 1.0):
        seen = msgspec.structs.replace(SURE, edit_probability=sure, lowest_logprob=-1e9)
        assert 0 <= probability(seen) <= 1


def test_each_input_has_a_coefficient_and_the_settings_are_in_order() -> None:
    assert vector(SURE).keys() == WEIGHTS.keys()
    assert 0 < THRESHOLDS["eager"] < THRESHOLDS["balanced"] < THRESHOLDS["quiet"] < 1


def test_features_tell_size_and_distance(desk: Desk) -> None:
    desk.open("a.py", "def f(a):\n    return a\n\n\nx = f(1)\n")
    desk.replace("a.py", "def f(a)", "def f(a, b)")
    seen = _features(desk, "f(1)", "f(1, 2)")
    assert (seen.changed_chars, seen.changed_lines, seen.lines_away) == (11, 1, 4)
    assert not seen.is_elsewhere
    assert not seen.breaks_syntax


def test_an_edit_that_adds_a_syntax_error_says_so(desk: Desk) -> None:
    desk.open("a.py", "def f(a):\n    return a\n")
    desk.replace("a.py", "f(a)", "f(a, b)")
    assert _features(desk, "return a", "return (a").breaks_syntax


def test_lines_that_go_and_lines_that_are_copied_are_counted(desk: Desk) -> None:
    body = "    one()\n    two()\n    three()\n"
    desk.open("a.py", f"def f():\n{body}\n\ndef g():\n    pass\n")
    desk.replace("a.py", "def f()", "def f(a)")
    assert _features(desk, body, "").removed_lines == 3
    assert _features(desk, "    pass\n", body).copied_share > 0.7
    assert _features(desk, "    pass\n", "    four()\n").copied_share == 0


def test_a_deletion_that_follows_needs_no_more_than_an_edit(desk: Desk) -> None:
    uses = "".join(f"old(f({at}))\n" for at in range(4))
    desk.open("a.py", f"def old(a):\n    return a\n\n\n{uses}")
    desk.replace("a.py", "def old(a):\n    return a\n\n\n", "")
    seen = _features(desk, uses, "")
    sure = msgspec.structs.replace(seen, lowest_logprob=-0.2)
    assert sure.removed_lines == 0
    assert probability(sure) > THRESHOLDS["balanced"]
    doubtful = msgspec.structs.replace(sure, lowest_logprob=-2.0)
    assert probability(doubtful) < THRESHOLDS["eager"]
    unexplained = msgspec.structs.replace(sure, removed_lines=4)
    assert probability(unexplained) < THRESHOLDS["eager"]


def test_another_file_is_elsewhere(desk: Desk) -> None:
    desk.open("a.py", "x = f(1)\n")
    desk.open("b.py", "def f(a):\n    return a\n")
    desk.replace("b.py", "f(a)", "f(a, b)")
    seen = _features(desk, "f(1)", "f(1, 2)")
    assert seen.is_elsewhere
    assert seen.lines_away == 0

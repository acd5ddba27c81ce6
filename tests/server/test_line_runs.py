"""Where two lists of lines differ."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_server.line_runs import Run, changed_runs, plain


def _seen(old: str, new: str) -> list[tuple[str, str, bool]]:
    before, after = old.split("|"), new.split("|")
    return [
        (
            "|".join(before[one.start : one.end]),
            "|".join(after[one.new_start : one.new_end]),
            one.is_formatting,
        )
        for one in changed_runs(before, after)
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a|b|c|d|e", "A|b|c|d|E", [("a", "A", False), ("e", "E", False)]),
        ("a|b|c", "A|b|C", [("a|b|c", "A|b|C", False)]),
        ("x=1|a|b", "x = 1|a|B", [("x=1", "x = 1", True), ("b", "B", False)]),
        (
            "f(a,b)|k|c",
            "f(|  a,|  b,|)|k|C",
            [("f(a,b)", "f(|  a,|  b,|)", True), ("c", "C", False)],
        ),
        ("x=1|y=1", "x = 1|y = 1", [("x=1|y=1", "x = 1|y = 1", True)]),
        (
            "a|b|c|d",
            "  a|  b|  new|  c|  d",
            [
                ("a|b", "  a|  b", True),
                ("", "  new", False),
                ("c|d", "  c|  d", True),
            ],
        ),
    ],
)
def test_places_are_apart_where_lines_stay_and_formatting_is_apart(
    old: str, new: str, expected: list[tuple[str, str, bool]]
) -> None:
    assert _seen(old, new) == expected


@given(*[st.lists(st.sampled_from(["a", "b", " a", "", "c d", "cd"]), max_size=9)] * 2)
def test_the_runs_lead_from_one_list_to_the_other(old: list[str], new: list[str]) -> None:
    made, at = [], 0
    for run in changed_runs(old, new):
        made += old[at : run.start]
        assert len(made) == run.new_start
        made += new[run.new_start : run.new_end]
        at = run.end
    assert made + old[at:] == new


def test_a_long_file_formatted_anew_takes_little_time() -> None:
    old = [f"  x{at} = [{at},{at}]" if at % 3 else "  }" for at in range(6000)]
    new = [line.replace(",", ", ") for line in old]
    new[3000:3000] = ["new"]
    began = time.perf_counter()
    runs = [one for one in changed_runs(old, new) if not one.is_formatting]
    assert time.perf_counter() - began < 2
    assert runs == [Run(3000, 3000, 3000, 3001, is_formatting=False)]


def test_of_a_very_long_file_all_is_one_run() -> None:
    old = ["x"] * 20_000
    assert len(changed_runs(old, ["y", *old, "z"])) == 1


def test_blanks_and_trailing_commas_are_formatting() -> None:
    assert plain("f(\n  a, b,\n)") == plain("f(a,b)")
    assert plain("f(a)") != plain("f(b)")

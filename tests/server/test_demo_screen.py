from __future__ import annotations

from pathlib import Path

from midspan_engine.protocol import DecodeStats
from midspan_server.demo_screen import COLOURED, MARKED, excerpt, figures, heading
from midspan_server.demo_session import Shown
from midspan_server.example_project import Unfinished

PLACE = Unfinished(
    path=Path("/project/area.go"),
    language="go",
    before="1\n2\n3\n4\n5\nfunc f() {\n\t",
    after="\n}\n\n// end\n",
)


def test_the_heading_counts_from_one() -> None:
    assert heading(PLACE, MARKED) == "area.go:7:2"


def test_each_line_of_a_suggestion_is_marked_behind_its_indent() -> None:
    shown = excerpt(PLACE, "if x {\n\t\treturn\n\t}\n\n\treturn", MARKED)
    assert shown.split("\n") == [
        "   3 │ 3",
        "   4 │ 4",
        "   5 │ 5",
        "   6 │ func f() {",
        "   7 │     «if x {»",
        "   8 │         «return»",
        "   9 │     «}»",
        "  10 │",
        "  11 │     «return»",
        "  12 │ }",
        "  13 │",
    ]


def test_a_suggestion_stands_between_what_is_before_and_behind_the_cursor() -> None:
    place = Unfinished(path=Path("a.py"), language="python", before="print(", after=")\n")
    assert excerpt(place, "1", MARKED).split("\n")[0] == "   1 │ print(«1»)"


def test_colours_take_the_place_of_marks() -> None:
    shown = excerpt(PLACE, "return", COLOURED)
    assert "«" not in shown
    assert "\033[1;32mreturn\033[0m" in shown


def test_the_figures_are_those_of_the_engine() -> None:
    stats = DecodeStats(
        passes=1, tokens=9, drafted=12, accepted=8, prompt_tokens=1200, cached_tokens=1100
    )
    shown = figures(Shown(text="x", latency_ms=1234.5, stats=stats), MARKED)
    assert shown == (
        "     1,234 ms  1 forward pass for 9 tokens; 8 of 12 drafted accepted; "
        "context 1200 tokens, 1100 cached"
    )


def test_without_figures_the_latency_stands_alone() -> None:
    assert figures(Shown(text="x", latency_ms=2.0, stats=None), MARKED) == "     2 ms"

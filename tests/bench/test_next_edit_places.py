"""Held-out files in the middle of a change: what is done, what is due, and where."""

from __future__ import annotations

import numpy as np
from next_edit_places import PlacedCase, _case
from next_edit_where import Seen, _report

from midspan_engine.training.edits.revision import Change, Revision
from midspan_server.next_edit.regions import Candidate

OLD = "one = load(1)\ntwo = 2\nthree = load(3)\nfour = 4\nfive = load(5)\n"
OTHERS = {"p/b.py": "x = 1\n", "q/c.py": "y = 1\n"}


def _revision() -> Revision:
    changes = []
    for name in ("one", "three", "five"):
        start = OLD.index(f"{name} = load")
        line = OLD[start : OLD.index("\n", start) + 1]
        text = line.replace("load", "read_all")
        changes.append(Change(start=start, end=start + len(line), text=text))
    return Revision(
        kind="release", language="python", path="p/a.py", old=OLD, changes=tuple(changes)
    )


def _made(seed: int) -> PlacedCase:
    case = _case("p", _revision(), OTHERS, np.random.default_rng(seed))
    assert case is not None
    return case


def _region(case: PlacedCase, line: int, score: float) -> Candidate:
    return Candidate(
        uri=case.document.uri,
        version=1,
        start_line=line,
        end_line=line + 1,
        reason="near",
        score=score,
    )


def test_what_is_done_is_in_the_text_and_in_the_history() -> None:
    for case in map(_made, range(4)):
        done = case.document.text.count("read_all")
        assert done in {1, 2}
        assert len(case.history.recent(9)) == done
        assert case.due == {line for line in (0, 2, 4) if line >= 2 * done}
        first, last, text = case.target
        lines = case.document.text.splitlines(keepends=True)
        assert lines[first:last] == [text.replace("read_all", "load")]
        assert [one.uri for one in case.others] == ["file:///p/b.py"]


def test_a_change_that_follows_from_nothing_makes_no_case() -> None:
    revision = _revision()
    alone = Revision(
        kind="release",
        language="python",
        path="p/a.py",
        old=OLD,
        changes=revision.changes[:1],
    )
    assert _case("p", alone, {}, np.random.default_rng(0)) is None


def test_the_report_counts_how_often_the_first_region_is_right() -> None:
    case = _made(0)
    regions = [_region(case, line, score) for line, score in ((0, 0.5), (4, 0.4))]
    seen = Seen(
        name=case.name,
        regions=regions,
        due=[case.is_due(one) for one in regions],
        losses=[[0.0], [30.0]],
        ms=1.0,
        tokens=10,
        is_located=True,
    )
    assert seen.due == [False, True]
    figures = _report([seen])
    assert figures["first_is_right"] == {"rules": 0, "mixed": 1, "worst line": 1, "whole": 1}
    assert figures["mean_reciprocal_rank"] == {
        "rules": 0.5,
        "mixed": 1.0,
        "worst line": 1.0,
        "whole": 1.0,
    }

from __future__ import annotations

import numpy as np
import pytest

from midspan_engine.training.edits.revision import (
    Change,
    Cutter,
    Revision,
    applied,
    by_line,
    changed_words,
    past_edit,
)

OLD = "".join(f"line {number}: value = {number} + path\n" for number in range(60))


def _changes(*numbers: int) -> tuple[Change, ...]:
    found = []
    for number in numbers:
        start = OLD.index("path", OLD.index(f"line {number}:"))
        found.append(Change(start=start, end=start + 4, text="source"))
    return tuple(found)


def _revision(*numbers: int) -> Revision:
    return Revision(
        kind="rename", language="python", path="a.py", old=OLD, changes=_changes(*numbers)
    )


def test_changes_of_one_line_become_one() -> None:
    text = "a = b + b\nc = b\n"
    places = [4, 8, 14]
    changes = [Change(start=at, end=at + 1, text="xx") for at in places]
    assert by_line(text, changes) == (
        Change(start=4, end=9, text="xx + xx"),
        Change(start=14, end=15, text="xx"),
    )


def test_the_order_of_changes_is_kept_when_lines_are_joined() -> None:
    text = "a = b\nc = b\n"
    later, earlier = Change(start=10, end=11, text="x"), Change(start=4, end=5, text="x")
    assert by_line(text, [later, earlier]) == (later, earlier)


@pytest.mark.parametrize("seed", range(12))
def test_a_sample_shows_the_file_as_it_stands_and_what_the_region_becomes(seed: int) -> None:
    revision = _revision(20, 3, 22, 50)
    cutter = Cutter(revision, np.random.default_rng(seed))
    done = revision.changes[:2]
    sample = cutter.changed(done, revision.changes[2], [past_edit(revision, done[-1])])
    assert sample is not None
    now = applied(OLD, 0, len(OLD), done)
    assert sample.before + sample.original + sample.after in now
    assert "line 22: value = 22 + path" in sample.original
    assert "line 22: value = 22 + source" in sample.updated
    for text in (sample.before, sample.original, sample.after):
        assert not text or text.endswith("\n")
    assert len(sample.original) <= 720


def test_all_that_is_due_in_the_region_is_part_of_the_answer() -> None:
    revision = _revision(3, 20, 21)
    cutter = Cutter(revision, np.random.default_rng(0))
    sample = cutter.changed(revision.changes[:1], revision.changes[1], [("a.py", "+x\n")])
    assert sample is not None
    in_region = [number for number in (20, 21) if f"line {number}:" in sample.original]
    assert sample.updated.count("source") == len(in_region)


def test_an_unchanged_region_is_only_cut_where_nothing_is_left_to_do() -> None:
    revision = _revision(3, 20)
    cutter = Cutter(revision, np.random.default_rng(0))
    done, history = revision.changes[:1], [("a.py", "+x\n")]
    assert cutter.unchanged(20, done, history) is None
    quiet = cutter.unchanged(50, done, history)
    assert quiet is not None
    assert quiet.quiet
    just_edited = cutter.unchanged(3, done, history)
    assert just_edited is not None
    assert "line 3: value = 3 + source" in just_edited.original


def test_a_region_never_crosses_a_long_change() -> None:
    start, end = OLD.index("line 10:"), OLD.index("line 40:")
    long = Change(start=start, end=end, text="short\n")
    short = _changes(41)[0]
    revision = Revision(kind="release", language="c", path="a.c", old=OLD, changes=(short, long))
    for seed in range(8):
        cutter = Cutter(revision, np.random.default_rng(seed))
        sample = cutter.changed([], short, [("a.c", "+x\n")])
        assert sample is not None
        assert "line 39:" not in sample.original
        assert "line 41:" in sample.original


def test_a_hunk_has_a_line_of_context_on_either_side() -> None:
    revision = _revision(5)
    path, hunk = past_edit(revision, revision.changes[0])
    assert path == "a.py"
    assert hunk.splitlines() == [
        " line 4: value = 4 + path",
        "-line 5: value = 5 + path",
        "+line 5: value = 5 + source",
        " line 6: value = 6 + path",
    ]


def test_changed_words_are_those_that_go_and_come() -> None:
    assert changed_words("call(path)\n", Change(start=5, end=9, text="source")) == (
        {"path"},
        {"source"},
    )


def test_a_hunk_shows_what_was_done_before_it() -> None:
    revision = _revision(5, 6)
    first, second = revision.changes
    assert past_edit(revision, second, [first])[1].splitlines() == [
        " line 5: value = 5 + source",
        "-line 6: value = 6 + path",
        "+line 6: value = 6 + source",
        " line 7: value = 7 + path",
    ]

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from recording import Change, closer_together, position, recording_path, steps
from replay import Asked, Window, figures

if TYPE_CHECKING:
    from pathlib import Path


def log(*events: dict[str, Any]) -> list[dict[str, Any]]:
    begin = [
        {"kind": "header", "time": 1000},
        {"kind": "documentEncountered", "id": 3, "time": 1000, "relativePath": "src\\a.ts"},
        {"kind": "setContent", "id": 3, "time": 1000, "content": "one\ntwo\n"},
    ]
    return begin + [{"id": 3, "time": 1000 + 100 * n, **e} for n, e in enumerate(events, 1)]


def test_a_document_is_opened_with_its_path_and_language() -> None:
    (step,) = steps(log())
    assert (step.path, step.language, step.opened) == ("src/a.ts", "typescript", "one\ntwo\n")


def test_an_edit_names_lines_and_columns_and_where_the_cursor_is() -> None:
    step = steps(log({"kind": "changed", "edit": [[4, 7, "zwei\nd"]], "v": 2}))[-1]
    assert step.changes == (Change(start=(1, 0), end=(1, 3), text="zwei\nd"),)
    assert step.cursor == (2, 1)
    assert step.at_ms == 100


def test_parts_of_an_edit_come_last_first_and_show_no_cursor() -> None:
    step = steps(log({"kind": "changed", "edit": [[0, 1, "O"], [4, 5, "T"]], "v": 2}))[-1]
    assert [change.start for change in step.changes] == [(1, 0), (0, 0)]
    assert step.cursor is None


def test_offsets_count_utf_16_units() -> None:
    assert position("a\U0001f600b\nc", 3) == (0, 3)
    assert position("\U0001f600\nc", 4) == (1, 1)
    edits = (
        {"kind": "changed", "edit": [[0, 0, "\U0001f600"]], "v": 2},
        {"kind": "changed", "edit": [[2, 2, "x"]], "v": 3},
    )
    assert steps(log(*edits))[-1].cursor == (0, 3)


def test_a_stored_text_is_restored() -> None:
    events = (
        {"kind": "storeContent", "contentId": "k", "v": 1},
        {"kind": "changed", "edit": [[0, 3, ""]], "v": 2},
        {"kind": "restoreContent", "contentId": "k", "v": 1},
    )
    assert steps(log(*events))[-1].opened == "one\ntwo\n"


def test_long_pauses_are_cut_and_short_ones_kept() -> None:
    events = [{"kind": "changed", "edit": [[0, 0, "x"]], "v": 2, "time": t} for t in (1100, 9100)]
    times = [at for at, _ in closer_together(steps(log(*events)), 2000)]
    assert times == [0, 100, 2100]


def test_a_window_keeps_what_was_before_it_apart() -> None:
    events = [
        {"kind": "changed", "edit": [[0, 0, "x"]], "v": 2, "time": 1000 + 60_000 * minute}
        for minute in (1, 2, 3)
    ]
    window = Window(start_minutes=1.5, minutes=1, speed=1, longest_pause_ms=1e9)
    before, timed = window.cut(steps(log(*events)))
    assert len(before) == 2
    assert [at for at, _ in timed] == [30_000]


def test_figures_tell_the_engines_work_from_the_rest() -> None:
    asked = [
        Asked(outcome="engine", ms=200),
        Asked(outcome="cache", ms=2),
        Asked(outcome="cancelled", ms=100),
        Asked(outcome="off", ms=1),
    ]
    found = figures(asked, infills=2)
    assert found["without_engine_share"] == 0.5
    assert found["cancelled_share"] == 0.25
    assert found["shown_from_cache_share"] == 0.5


def test_a_missing_recording_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vscode-copilot-chat"):
        recording_path(tmp_path)

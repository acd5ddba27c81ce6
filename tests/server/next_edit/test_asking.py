"""Regions as requests to the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from midspan_server.next_edit.asking import edit_request, path_in, region_text
from midspan_server.next_edit.regions import Candidate

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

    from midspan_engine.protocol import EditRequest


def _request(desk: Desk, start: int, end: int, root: str = "/p") -> EditRequest:
    document = desk.documents["a.py"]
    region = Candidate(
        uri=document.uri, version=2, start_line=start, end_line=end, reason="near", score=1.0
    )
    return edit_request(
        region,
        desk.hunks(),
        {one.uri: one for one in desk.open_documents()},
        (Path(root),),
        number=7,
        session="s",
        budget_ms=900,
    )


def test_the_parts_are_whole_lines_of_the_file(desk: Desk) -> None:
    desk.open("a.py", "".join(f"line_{at} = {at}\n" for at in range(300)))
    document = desk.replace("a.py", "line_5 = 5", "line_5 = 55")
    request = _request(desk, 100, 110)
    text = request.before + request.region + request.after
    assert text in document.text
    assert request.region == region_text(document, 100, 110)
    assert len(request.before) <= 1_400
    assert len(request.after) <= 800
    assert text.startswith("line_")
    assert text.endswith("\n")


def test_an_edit_is_written_out_before_the_model_is_sure_of_it(desk: Desk) -> None:
    desk.open("a.py", "one = 1\ntwo = 2\n")
    desk.replace("a.py", "one = 1", "one = 11")
    request = _request(desk, 1, 2)
    assert request.edit_from is not None
    assert request.edit_from < 0.5


def test_history_comes_oldest_first_with_paths_in_the_workspace(desk: Desk) -> None:
    desk.open("a.py", "a = 1\nb = 2\n")
    desk.open("sub/b.py", "c = 3\n")
    desk.replace("sub/b.py", "c = 3", "c = 4")
    desk.replace("a.py", "a = 1", "a = 2")
    request = _request(desk, 1, 2)
    assert request.path == "a.py"
    assert [(one.path, one.diff) for one in request.history] == [
        ("sub/b.py", "-c = 3\n+c = 4\n \n"),
        ("a.py", "-a = 1\n+a = 2\n b = 2\n"),
    ]
    assert (request.id, request.session, request.budget_ms) == (7, "s", 900)


def test_line_ends_are_unified(desk: Desk) -> None:
    desk.open("a.py", "a = 1\r\nb = 2\r\nc = 3\r\n")
    desk.replace("a.py", "a = 1", "a = 2")
    request = _request(desk, 1, 2)
    assert (request.before, request.region, request.after) == ("a = 2\n", "b = 2\n", "c = 3\n")
    assert "\r" not in request.history[0].diff


def test_a_path_outside_the_workspace_is_folder_and_name(desk: Desk) -> None:
    document = desk.open("sub/a.py", "")
    assert path_in(document, (Path("/p"),)) == "sub/a.py"
    assert path_in(document, (Path("/q"), Path("/p/sub"))) == "a.py"
    assert path_in(document, (Path("/q"),)) == "sub/a.py"


def test_a_hunk_of_a_paste_is_left_out(desk: Desk) -> None:
    desk.open("a.py", "a = 1\nb = 2\n")
    desk.replace("a.py", "a = 1", "x = 1\n" * 400)
    desk.replace("a.py", "b = 2", "b = 3")
    assert len(_request(desk, 0, 1).history) == 1

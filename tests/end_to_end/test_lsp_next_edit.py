"""Next edits of the real Language Server: no model, no engine."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from lsprotocol import types

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.end_to_end.editor import Editor

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///area.py"


def _program(lines: int) -> str:
    """A file of so many lines, in which one function uses its parameter all over."""
    body = [
        f"    row_{at} = width * {at}" if at % 9 == 0 else f"    cell_{at} = {at}  # width of it"
        for at in range(lines - 5)
    ]
    other = ["    return 'width'", "", "def other(width):", "    return width"]
    return "\n".join(["def area(width):", *body, *other, ""])


async def _ask(editor: Editor, uri: str, line: int, character: int, **how: Any) -> list[Any]:
    params = {
        "textDocument": {"uri": uri, "version": how.get("version") or editor.versions[uri]},
        "position": {"line": line, "character": character},
        "reason": how.get("reason", "save"),
    }
    method = how.get("method", "midspan/nextEdit")
    answer = await asyncio.wait_for(editor.protocol.send_request_async(method, params), 20)
    edits: list[Any] = answer.edits
    return edits


def _take(editor: Editor, edit: Any) -> tuple[int, int]:
    """Make the edit as an editor does; the cursor ends up behind it."""
    start, end = edit.range.start, edit.range.end
    assert edit.textDocument.version == editor.versions[edit.textDocument.uri]
    editor.replace(
        edit.textDocument.uri,
        (start.line, start.character),
        (end.line, end.character),
        edit.newText,
    )
    editor.protocol.notify("midspan/nextEditEvent", {"id": edit.id, "kind": "accepted"})
    return start.line, start.character + len(edit.newText)


def _save(editor: Editor, uri: str) -> None:
    editor.text_document_did_save(
        types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri))
    )


async def test_a_rename_in_300_lines_offers_every_use_in_order(start_editor: StartEditor) -> None:
    text = _program(300)
    wanted = [
        (number, line.index("width"))
        for number, line in enumerate(text.split("\n"))
        if "row_" in line
    ]
    editor = await start_editor()
    editor.open(URI, text)
    editor.replace(URI, (0, 9), (0, 14), "breadth")
    _save(editor, URI)
    taken: list[tuple[int, int]] = []
    at = (0, 16)
    while True:
        edits = await _ask(editor, URI, *at, reason="accepted" if taken else "save")
        if not edits:
            break
        taken.append((edits[0].range.start.line, edits[0].range.start.character))
        at = _take(editor, edits[0])
    assert taken == wanted
    assert len(wanted) > 30


async def test_the_capability_is_told_and_can_be_switched_off(start_editor: StartEditor) -> None:
    editor = await start_editor()
    assert _experimental(editor) == {"midspan": {"nextEdit": True}}
    editor = await start_editor(options={"nextEdit": {"enabled": False}})
    assert _experimental(editor) is None
    editor.open(URI, "def f(width):\n    return width\n")
    editor.replace(URI, (0, 6), (0, 11), "breadth")
    assert await _ask(editor, URI, 0, 0) == []


def _experimental(editor: Editor) -> Any:
    told = editor.capabilities.experimental
    return json.loads(json.dumps(told, default=lambda one: one._asdict()))


async def test_another_version_or_an_unknown_document_gets_nothing(
    start_editor: StartEditor,
) -> None:
    editor = await start_editor()
    editor.open(URI, "def f(width):\n    return width\n")
    editor.replace(URI, (0, 6), (0, 11), "breadth")
    assert await _ask(editor, URI, 0, 0, version=1) == []
    assert await _ask(editor, "file:///unknown.py", 0, 0, version=1) == []
    assert len(await _ask(editor, URI, 0, 0)) == 1


async def test_what_was_dismissed_stays_away(start_editor: StartEditor, state: Path) -> None:
    editor = await start_editor()
    editor.open(URI, "def f(width):\n    a = width\n    return width + a\n")
    editor.replace(URI, (0, 6), (0, 11), "breadth")
    first, second = await _ask(editor, URI, 0, 0)
    editor.protocol.notify("midspan/nextEditEvent", {"id": first.id, "kind": "shown"})
    editor.protocol.notify("midspan/nextEditEvent", {"id": first.id, "kind": "dismissed"})
    [left] = await _ask(editor, URI, 0, 0)
    assert (left.id, left.range.start.line) == (second.id, 2)
    lines = (state / "state" / "counters.jsonl").read_text().splitlines()
    told = [(one["outcome"], one["id"]) for one in map(json.loads, lines)]
    assert told == [
        ("offered", first.id),
        ("offered", second.id),
        ("shown", first.id),
        ("dismissed", first.id),
    ]


async def test_an_undone_accept_is_not_offered_again(start_editor: StartEditor) -> None:
    editor = await start_editor()
    editor.open(URI, "def f(width):\n    pass\n\n    return width\n")
    editor.replace(URI, (0, 6), (0, 11), "breadth")
    [edit] = await _ask(editor, URI, 0, 0)
    line, end = _take(editor, edit)
    editor.replace(URI, (line, 11), (line, end), "width")
    assert await _ask(editor, URI, 0, 0) == []


async def test_positions_are_in_the_units_agreed_on(start_editor: StartEditor) -> None:
    editor = await start_editor()
    editor.open(URI, "def f(width):\n    return '\U0001f600', width\n")
    editor.replace(URI, (0, 6), (0, 11), "breadth")
    [edit] = await _ask(editor, URI, 0, 0)
    start, end = edit.range.start, edit.range.end
    assert (start.character, end.character) == (17, 22)


async def test_a_rename_goes_on_in_another_open_file(start_editor: StartEditor) -> None:
    editor = await start_editor()
    user = "file:///user.py"
    editor.open(URI, "def area(a):\n    return a\n")
    editor.open(user, "from area import area\n\nprint(area(1), 'area')\n")
    editor.replace(URI, (0, 4), (0, 8), "surface")
    taken = []
    while edits := await _ask(editor, URI, 0, 0):
        taken.append((edits[0].textDocument.uri, edits[0].range.start.line))
        _take(editor, edits[0])
    assert taken == [(user, 0), (user, 2)]


async def test_clients_made_for_copilot_are_served(start_editor: StartEditor, state: Path) -> None:
    editor = await start_editor()
    editor.open(URI, "def f(width):\n    return width\n")
    editor.replace(URI, (0, 6), (0, 11), "breadth")
    [edit] = await _ask(editor, URI, 0, 0, method="textDocument/copilotInlineEdit")
    assert edit.text == "breadth"
    [name] = edit.command.arguments
    shown = {"item": {"command": {"command": edit.command.command, "arguments": [name]}}}
    editor.protocol.notify("textDocument/didShowInlineEdit", shown)
    await editor.workspace_execute_command_async(
        types.ExecuteCommandParams(command=edit.command.command, arguments=[name])
    )
    lines = (state / "state" / "counters.jsonl").read_text().splitlines()
    assert [json.loads(one)["outcome"] for one in lines] == ["offered", "shown", "accepted"]


async def test_a_file_that_is_never_read_gets_nothing(start_editor: StartEditor) -> None:
    editor = await start_editor(options={"languages": {"python": False}})
    editor.open(URI, "def f(width):\n    return width\n")
    editor.replace(URI, (0, 6), (0, 11), "breadth")
    assert await _ask(editor, URI, 0, 0) == []

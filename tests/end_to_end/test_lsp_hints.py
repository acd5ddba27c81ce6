"""Next edits in editors that draw none: hints with quick fixes, by the real Language Server."""

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
    from tests.end_to_end.scripted_engine import ScriptedEngine

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

HOME = "file:///area.py"
USER = "file:///user.py"


def _client(*, annotations: bool = True, versions: bool = True) -> types.ClientCapabilities:
    """A client with diagnostics and code actions, as Helix or Emacs are."""
    kinds = types.ClientCodeActionKindOptions(value_set=[types.CodeActionKind.QuickFix])
    literals = types.ClientCodeActionLiteralOptions(code_action_kind=kinds)
    support = types.ChangeAnnotationsSupportOptions() if annotations else None
    return types.ClientCapabilities(
        text_document=types.TextDocumentClientCapabilities(
            publish_diagnostics=types.PublishDiagnosticsClientCapabilities(),
            code_action=types.CodeActionClientCapabilities(code_action_literal_support=literals),
        ),
        workspace=types.WorkspaceClientCapabilities(
            apply_edit=True,
            workspace_edit=types.WorkspaceEditClientCapabilities(
                document_changes=versions, change_annotation_support=support
            ),
        ),
    )


class Told:
    """The diagnostics that the server told last, by document."""

    def __init__(self, editor: Editor) -> None:
        self.now: dict[str, list[types.Diagnostic]] = {}
        self._news = asyncio.Condition()

        async def take(params: types.PublishDiagnosticsParams) -> None:
            await self._take(params)

        editor.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(take)

    async def until(self, **counts: int) -> None:
        """Wait for so many hints, by the name of the file."""
        wanted = {f"file:///{name}.py": count for name, count in counts.items()}
        async with self._news:
            done = lambda: {uri: len(self.now.get(uri, ())) for uri in wanted} == wanted  # noqa: E731
            await asyncio.wait_for(self._news.wait_for(done), 20)

    async def _take(self, params: types.PublishDiagnosticsParams) -> None:
        self.now[params.uri] = list(params.diagnostics)
        async with self._news:
            self._news.notify_all()


def _save(editor: Editor, uri: str) -> None:
    editor.text_document_did_save(
        types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri))
    )


async def _actions(editor: Editor, uri: str, line: int) -> list[types.CodeAction]:
    # lsprotocol takes an action that has a command for a bare command.
    convert = editor.protocol._converter
    convert.register_structure_hook(
        types.Command | types.CodeAction, lambda one, _: convert.structure(one, types.CodeAction)
    )
    answer = await editor.text_document_code_action_async(
        types.CodeActionParams(
            types.TextDocumentIdentifier(uri),
            types.Range(types.Position(line, 0), types.Position(line, 0)),
            types.CodeActionContext(diagnostics=[]),
        )
    )
    return [one for one in answer or () if isinstance(one, types.CodeAction)]


def _make(editor: Editor, edit: types.WorkspaceEdit) -> None:
    for document in edit.document_changes or ():
        assert isinstance(document, types.TextDocumentEdit)
        uri = document.text_document.uri
        assert document.text_document.version == editor.versions[uri]
        for one in reversed(document.edits):
            assert not isinstance(one, types.SnippetTextEdit)
            start, end = one.range.start, one.range.end
            places = (start.line, start.character), (end.line, end.character)
            editor.replace(uri, *places, one.new_text)


async def _run(editor: Editor, command: types.Command | None) -> None:
    assert command is not None
    await editor.workspace_execute_command_async(
        types.ExecuteCommandParams(command=command.command, arguments=command.arguments)
    )


async def test_a_save_brings_hints_and_a_quick_fix_takes_one(
    start_editor: StartEditor, state: Path
) -> None:
    editor = await start_editor(capabilities=_client())
    told = Told(editor)
    editor.open(HOME, "def f(width):\n    a = width\n    return width + a\n")
    editor.replace(HOME, (0, 6), (0, 11), "breadth")
    assert HOME not in told.now
    _save(editor, HOME)
    await told.until(area=2)
    first, _ = told.now[HOME]
    assert first.message == "next edit: a = breadth"
    assert first.severity == types.DiagnosticSeverity.Hint
    assert await _actions(editor, HOME, 0) == []
    fix, every = await _actions(editor, HOME, 1)
    assert (fix.title, every.title) == ("Next edit: a = breadth", "Make all 2 next edits")
    assert fix.edit is not None
    _make(editor, fix.edit)
    await _run(editor, fix.command)
    await told.until(area=1)
    assert told.now[HOME][0].message == "next edit: return breadth + a"
    lines = (state / "state" / "counters.jsonl").read_text().splitlines()
    assert "accepted" in [json.loads(one)["outcome"] for one in lines]


async def test_typing_moves_a_hint_and_drops_the_one_that_it_touches(
    start_editor: StartEditor,
) -> None:
    editor = await start_editor(capabilities=_client())
    told = Told(editor)
    editor.open(HOME, "def f(width):\n    a = width\n\n    return width + a\n")
    editor.replace(HOME, (0, 6), (0, 11), "breadth")
    _save(editor, HOME)
    await told.until(area=2)
    editor.replace(HOME, (1, 4), (1, 5), "bc\n")
    await told.until(area=1)
    assert told.now[HOME][0].range.start == types.Position(4, 11)
    [fix] = await _actions(editor, HOME, 4)
    assert fix.edit is not None
    _make(editor, fix.edit)
    await told.until(area=0)


@pytest.mark.parametrize("annotations", [True, False])
async def test_all_edits_of_several_files_are_made_by_the_editor(
    start_editor: StartEditor, *, annotations: bool
) -> None:
    editor = await start_editor(capabilities=_client(annotations=annotations))
    told, applied = Told(editor), asyncio.get_running_loop().create_future()

    def make(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        _make(editor, params.edit)
        applied.set_result(params.edit)
        return types.ApplyWorkspaceEditResult(applied=True)

    editor.feature(types.WORKSPACE_APPLY_EDIT)(make)
    editor.open(USER, "from area import area\n\nprint(area(1), 'area')\n")
    editor.open(HOME, "def area(a):\n    return a\n")
    editor.replace(HOME, (0, 4), (0, 8), "surface")
    _save(editor, HOME)
    await told.until(user=2)
    _, every = await _actions(editor, USER, 0)
    assert every.edit is None
    await _run(editor, every.command)
    edit: types.WorkspaceEdit = await applied
    assert bool(edit.change_annotations) is annotations
    await told.until(user=0)


async def test_a_client_without_versions_gets_plain_changes(start_editor: StartEditor) -> None:
    editor = await start_editor(capabilities=_client(versions=False))
    told = Told(editor)
    editor.open(HOME, "def f(width):\n    return width\n")
    editor.replace(HOME, (0, 6), (0, 11), "breadth")
    _save(editor, HOME)
    await told.until(area=1)
    [fix] = await _actions(editor, HOME, 1)
    assert fix.edit is not None
    assert fix.edit.document_changes is None
    assert {uri: list(edits) for uri, edits in (fix.edit.changes or {}).items()} == {
        HOME: [types.TextEdit(types.Range(types.Position(1, 11), types.Position(1, 16)), "breadth")]
    }


async def test_the_model_edits_come_as_hints_too(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    engine.rewrite = lambda request: request.region.replace("area(1)", "area(1, 1)")
    editor = await start_editor(capabilities=_client())
    told = Told(editor)
    editor.open(HOME, "def area(w):\n    return w\n\n\nprint(area(1))\n")
    editor.replace(HOME, (0, 10), (0, 10), ", h")
    _save(editor, HOME)
    await told.until(area=1)
    assert told.now[HOME][0].message == "next edit: print(area(1, 1))"


@pytest.mark.parametrize("options", [{"hints": False}, {"onSave": False}, {"enabled": False}])
async def test_hints_can_be_switched_off(
    start_editor: StartEditor, options: dict[str, Any]
) -> None:
    editor = await start_editor(capabilities=_client(), options={"nextEdit": options})
    told = Told(editor)
    editor.open(HOME, "def f(width):\n    return width\n")
    editor.replace(HOME, (0, 6), (0, 11), "breadth")
    _save(editor, HOME)
    await asyncio.sleep(0.5)
    assert told.now == {}


async def test_who_asks_for_next_edits_gets_no_hints(start_editor: StartEditor) -> None:
    editor = await start_editor(capabilities=_client())
    told = Told(editor)
    editor.open(HOME, "def f(width):\n    return width\n")
    editor.replace(HOME, (0, 6), (0, 11), "breadth")
    params = {
        "textDocument": {"uri": HOME, "version": 2},
        "position": {"line": 0, "character": 0},
    }
    answer: Any = await editor.protocol.send_request_async("midspan/nextEdit", params)
    assert len(answer.edits) == 1
    _save(editor, HOME)
    await asyncio.sleep(0.5)
    assert not told.now.get(HOME)

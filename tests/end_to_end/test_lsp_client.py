"""What clients differ in or get wrong: popups, settings, commands, broken messages."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.end_to_end.editor import Editor
    from tests.end_to_end.scripted_engine import ScriptedEngine

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///project/area.py"
TEXT = "def area(width, height):\n    return wid\n"
HERE = (1, 14)


@pytest.fixture
def answering(engine: ScriptedEngine) -> ScriptedEngine:
    """An engine that always says the same."""
    engine.reply = lambda _: "th * height"
    return engine


with_answers = pytest.mark.usefixtures("answering")


def _outcomes(state: Path) -> list[dict[str, Any]]:
    lines = (state / "state" / "counters.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


async def _popup(editor: Editor) -> types.CompletionList:
    answer = await editor.text_document_completion_async(
        types.CompletionParams(types.TextDocumentIdentifier(URI), types.Position(*HERE))
    )
    assert isinstance(answer, types.CompletionList)
    return answer


async def test_a_client_without_ghost_text_gets_the_suggestion_in_its_popup(
    answering: ScriptedEngine,
    start_editor: StartEditor,
    popup_client: Callable[[], types.ClientCapabilities],
) -> None:
    editor = await start_editor(capabilities=popup_client())
    assert editor.capabilities.completion_provider is not None
    asked_behind = editor.capabilities.completion_provider.trigger_characters or []
    assert not {" ", ":", "="} & set(asked_behind)
    editor.open(URI, TEXT)
    answer = await _popup(editor)
    [item] = answer.items
    assert answer.is_incomplete
    assert (item.label, item.detail) == ("width * height", "Midspan")
    assert not item.preselect
    assert item.filter_text == "width * height"
    assert item.text_edit == types.TextEdit(
        types.Range(types.Position(1, 11), types.Position(*HERE)), "width * height"
    )
    assert len(answering.requests) == 1


@with_answers
async def test_a_client_with_ghost_text_is_not_offered_the_popup(start_editor: StartEditor) -> None:
    editor = await start_editor()
    assert editor.capabilities.completion_provider is None
    assert editor.capabilities.inline_completion_provider is not None


async def test_a_bad_setting_is_named_once_and_the_others_apply(
    answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine = {"autostart": False}
    options = {"threshold": "high", "maxLineTokens": 9, "notKnown": 1, "engine": engine}
    editor = await start_editor(options=options)
    editor.workspace_did_change_configuration(types.DidChangeConfigurationParams(options))
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th * height"]
    [message] = editor.messages
    assert "midspan.threshold" in message
    assert "0.45" in message
    assert answering.requests[0].max_tokens == 9


@with_answers
async def test_a_glob_that_is_none_is_named_and_the_server_starts(
    start_editor: StartEditor,
) -> None:
    editor = await start_editor(options={"exclude": ["!", "*.sql"]})
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th * height"]
    [message] = editor.messages
    assert "'!'" in message


async def test_settings_of_other_servers_change_nothing_and_ours_lie_over_the_first(
    answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor(options={"maxLineTokens": 9})
    editor.open(URI, TEXT)
    theirs: dict[str, object] = {"python": {"analysis": {}}}
    for settings in (theirs, {"midspan": {"effort": "draft"}}):
        editor.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    await editor.texts(URI, *HERE)
    assert (answering.requests[0].max_tokens, answering.requests[0].effort) == (9, "draft")


async def test_settings_can_change_at_any_time(
    answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th * height"]
    off = {"midspan": {"languages": {"python": False}}}
    editor.workspace_did_change_configuration(types.DidChangeConfigurationParams(off))
    assert await editor.texts(URI, *HERE) == []
    on: dict[str, object] = {"midspan": {"languages": {}, "threshold": 0.2}}
    editor.workspace_did_change_configuration(types.DidChangeConfigurationParams(on))
    assert await editor.texts(URI, *HERE) == ["th * height"]
    assert len(answering.requests) == 2


async def test_settings_are_pulled_from_a_client_that_offers_them(
    answering: ScriptedEngine,
    start_editor: StartEditor,
    ghost_text_client: Callable[..., types.ClientCapabilities],
) -> None:
    editor = await start_editor(
        capabilities=ghost_text_client(configuration=True), configuration={"maxLineTokens": 7}
    )
    await editor.until_state("ready")
    editor.open(URI, TEXT)
    await editor.texts(URI, *HERE)
    assert answering.requests[0].max_tokens == 7


@with_answers
async def test_accepting_and_dismissing_are_counted_without_source_text(
    start_editor: StartEditor, state: Path
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    [item] = await editor.suggest(URI, *HERE)
    assert item.command is not None
    arguments = list(item.command.arguments or [])
    for command, more in (
        ("midspan.shown", []),
        ("midspan.acceptPartial", [4]),
        (item.command.command, []),
        ("midspan.dismiss", []),
    ):
        await editor.workspace_execute_command_async(
            types.ExecuteCommandParams(command, [*arguments, *more])
        )
    lines = _outcomes(state)
    assert [line["outcome"] for line in lines] == [
        "offered",
        "shown",
        "partly_accepted",
        "accepted",
        "dismissed",
    ]
    assert lines[2]["accepted_characters"] == 4
    assert lines[3]["accepted_characters"] == len("th * height")
    assert "height" not in json.dumps(lines)


@with_answers
async def test_notifications_of_copilot_plugins_are_counted(
    start_editor: StartEditor, state: Path
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    [item] = await editor.suggest(URI, *HERE)
    assert item.command is not None
    shown = {"item": {"command": {"arguments": item.command.arguments}}}
    editor.protocol.notify("textDocument/didShowCompletion", shown)
    editor.protocol.notify(
        "textDocument/didPartiallyAcceptCompletion", {**shown, "acceptedLength": 2}
    )
    await editor.texts(URI, *HERE)
    assert [line["outcome"] for line in _outcomes(state)] == [
        "offered",
        "shown",
        "partly_accepted",
    ]


@with_answers
async def test_a_state_folder_that_cannot_be_written_stops_nothing(
    start_editor: StartEditor,
    state: Path,
    environment: dict[str, str],
) -> None:
    (state / "file").write_text("in the way")
    environment["MIDSPAN_STATE"] = str(state / "file" / "state")
    editor = await start_editor()
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th * height"]
    assert "nothing is counted" in (state / "lsp.log").read_text()


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"textDocument": {"uri": URI}, "position": {"line": "one", "character": 0}, "context": {}},
        {"textDocument": {"uri": 3}, "position": None, "context": {"triggerKind": 7}},
    ],
    ids=["none", "empty", "wrong types", "wrong values"],
)
async def test_a_broken_request_gets_an_error_and_the_server_goes_on(
    params: object, answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    with pytest.raises(JsonRpcException):
        await _raw_request(editor, types.TEXT_DOCUMENT_INLINE_COMPLETION, params)
    editor.protocol.notify("midspan/unknown", {"a": 1})
    assert await editor.texts(URI, *HERE) == ["th * height"]
    assert len(answering.requests) == 1


@pytest.mark.parametrize("position", [(1, 10_000), (10_000, 0)])
async def test_a_position_outside_the_document_is_clamped(
    position: tuple[int, int], answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    await _raw_request(
        editor,
        types.TEXT_DOCUMENT_INLINE_COMPLETION,
        {
            "textDocument": {"uri": URI},
            "position": {"line": position[0], "character": position[1]},
            "context": {"triggerKind": 2},
        },
    )
    assert await editor.texts(URI, *HERE) == ["th * height"]
    assert len(answering.requests) >= 1


async def test_commands_with_wrong_arguments_change_nothing(
    answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    for arguments in (None, [], [None], [{"a": 1}], ["unknown", "x", 3]):
        await editor.workspace_execute_command_async(
            types.ExecuteCommandParams("midspan.acceptPartial", arguments)
        )
    assert await editor.texts(URI, *HERE) == ["th * height"]
    assert len(answering.requests) == 1


async def test_nothing_heavy_is_imported_and_nothing_but_the_protocol_is_printed(
    answering: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor(python_flags=("-X", "importtime"))
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th * height"]
    await editor.quit()
    imported = {line.rsplit(b"|", 1)[-1].strip() for line in editor.stderr.splitlines()}
    assert b"midspan_server.app" in imported
    roots = {name.split(b".")[0] for name in imported}
    assert roots.isdisjoint({b"torch", b"numpy", b"openvino", b"tokenizers", b"transformers"})
    assert len(answering.requests) == 1


async def test_no_source_text_is_logged(
    answering: ScriptedEngine, start_editor: StartEditor, state: Path
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT.replace("width", "unmistakable"))
    await editor.texts(URI, *HERE)
    editor.protocol.notify(types.TEXT_DOCUMENT_DID_CHANGE, {"textDocument": {"uri": URI}})
    assert await editor.texts(URI, *HERE) != []
    assert "unmistakable" not in (state / "lsp.log").read_text()
    assert len(answering.requests) == 1


async def _raw_request(editor: Editor, method: str, params: object) -> object:
    """Send parameters that lsprotocol's types would not let through."""
    future: Future[object] = Future()
    editor.protocol._request_futures["raw"] = future
    editor.protocol._send_data({"jsonrpc": "2.0", "id": "raw", "method": method, "params": params})
    return await asyncio.wait_for(asyncio.wrap_future(future), 20)

"""Ghost text over the real wire: `midspan lsp` on standard streams, a scripted engine behind it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.end_to_end.editor import Editor
    from tests.end_to_end.scripted_engine import ScriptedEngine

    from midspan_engine.protocol import InfillRequest

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///project/area.py"
TEXT = "def area(width, height):\n    return wid\n"
HERE = (1, 14)


def _inline(line: int, character: int) -> types.InlineCompletionParams:
    return types.InlineCompletionParams(
        context=types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
        text_document=types.TextDocumentIdentifier(URI),
        position=types.Position(line, character),
    )


def _ask(editor: Editor, line: int, character: int) -> asyncio.Future[list[str]]:
    return asyncio.ensure_future(editor.texts(URI, line, character))


async def test_a_suggestion_of_the_engine_is_shown_at_the_cursor(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th * height"
    editor = await start_editor()
    editor.open(URI, TEXT)
    [item] = await editor.suggest(URI, *HERE)
    assert item.insert_text == "th * height"
    assert item.range == types.Range(types.Position(*HERE), types.Position(*HERE))
    assert engine.requests[0].prefix.endswith("return wid")
    assert engine.requests[0].suffix == "\n"


async def test_typing_as_suggested_does_not_ask_the_engine_again(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th * height"
    editor = await start_editor()
    editor.open(URI, TEXT)
    await editor.texts(URI, *HERE)
    editor.insert(URI, 1, 14, "th")
    assert await editor.texts(URI, 1, 16) == [" * height"]
    editor.replace(URI, (1, 15), (1, 16), "")
    assert await editor.texts(URI, 1, 15) == ["h * height"]
    assert len(engine.requests) == 1


async def test_typing_something_else_asks_again(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda request: "th * height" if request.prefix.endswith("wid") else "get()"
    editor = await start_editor()
    editor.open(URI, TEXT)
    await editor.texts(URI, *HERE)
    editor.insert(URI, 1, 14, "get_")
    assert await editor.texts(URI, 1, 18) == ["get()"]


async def test_cancelling_reaches_the_engine(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    future = editor.protocol.send_request(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, _inline(*HERE), msg_id="mine"
    )
    request = await engine.request()
    editor.protocol.notify(types.CANCEL_REQUEST, types.CancelParams(id="mine"))
    assert await engine.cancellation() == request.id
    with pytest.raises(JsonRpcRequestCancelled):
        await asyncio.wrap_future(future)


async def test_a_cancelled_request_that_still_fits_is_joined_by_the_next_one(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    first = editor.protocol.send_request(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, _inline(*HERE), msg_id="mine"
    )
    request = await engine.request()
    editor.insert(URI, 1, 14, "t")
    editor.protocol.notify(types.CANCEL_REQUEST, types.CancelParams(id="mine"))
    second = _ask(editor, 1, 15)
    with pytest.raises(JsonRpcRequestCancelled):
        await asyncio.wrap_future(first)
    engine.answer(request, "th * height")
    assert await second == ["h * height"]
    assert len(engine.requests) == 1
    assert engine.cancelled == []


async def test_a_running_request_is_left_as_soon_as_its_text_diverges(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    first = _ask(editor, *HERE)
    request = await engine.request()
    editor.insert(URI, 1, 14, "e")
    second = _ask(editor, 1, 15)
    engine.commit(request, "th * ")
    assert await engine.cancellation() == request.id
    engine.answer(await engine.request(1), "get()")
    assert await second == ["get()"]
    assert await first == []


async def test_a_request_that_cannot_be_joined_ends_the_one_before_it(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT + "\n\nelse_where = \n")
    first = _ask(editor, *HERE)
    request = await engine.request()
    second = _ask(editor, 4, 13)
    assert await engine.cancellation() == request.id
    assert await first == []
    engine.answer(await engine.request(1), "area(1, 2)")
    assert await second == ["area(1, 2)"]


async def test_an_answer_for_text_that_has_changed_since_is_not_shown(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    asked = _ask(editor, *HERE)
    request = await engine.request()
    editor.insert(URI, 0, 0, "import os\n")
    # An answer to anything shows that the change has arrived too.
    assert await editor.texts("file:///not/open.py", 0, 0) == []
    engine.answer(request, "th * height")
    assert await asked == []


async def test_a_doubtful_suggestion_is_shown_only_when_asked_for_by_hand(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th * height"
    engine.confidence = 0.1
    editor = await start_editor()
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == []
    assert await editor.texts(URI, *HERE, invoked=True) == ["th * height"]


async def test_asking_by_hand_gets_alternatives(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    asked = asyncio.ensure_future(editor.texts(URI, *HERE, invoked=True))
    request = await engine.request()
    engine.answer(request, "th * height", "th", "th * height")
    assert await asked == ["th * height", "th"]
    assert request.n == 3


async def test_the_selected_item_of_the_popup_is_extended(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: " * height"
    editor = await start_editor()
    editor.open(URI, TEXT)
    word = types.Range(types.Position(1, 11), types.Position(1, 14))
    [item] = await editor.suggest(
        URI, *HERE, selected=types.SelectedCompletionInfo(range=word, text="width")
    )
    assert item.insert_text == "width * height"
    assert item.range == word
    assert engine.requests[0].prefix.endswith("return width")


async def test_nothing_is_suggested_in_the_middle_of_a_line(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "x"
    editor = await start_editor()
    await editor.until_state("ready")
    editor.open(URI, TEXT)
    assert await editor.texts(URI, 1, 6) == []
    assert engine.requests == []
    assert not any(status["state"] == "off" for status in editor.statuses)


async def test_the_status_says_why_nothing_is_suggested_in_a_document(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor(options={"languages": {"python": False}})
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == []
    assert "python" in (await editor.until_state("off"))["message"]
    assert engine.requests == []


async def test_a_client_that_did_not_ask_for_it_gets_no_status(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th"
    editor = await start_editor(options={"statusNotifications": False})
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th"]
    assert editor.statuses == []


async def test_a_client_may_ask_for_the_status_by_its_capabilities(
    engine: ScriptedEngine,
    start_editor: StartEditor,
    ghost_text_client: Callable[..., types.ClientCapabilities],
) -> None:
    capabilities = ghost_text_client()
    capabilities.experimental = {"midspanStatus": True}
    editor = await start_editor(options={"statusNotifications": False}, capabilities=capabilities)
    await engine.connected()
    await editor.until_state("ready")


async def test_open_files_help_but_files_with_secrets_are_never_read(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th * height"
    editor = await start_editor()
    editor.open("file:///project/.env", "AREA_WIDTH_KEY=very-secret-width-area-height\n", "")
    editor.open("file:///project/shapes.py", "def width_of(area, height):\n    return area\n")
    editor.open(URI, TEXT)
    await editor.texts(URI, *HERE)
    seen = [engine.requests[0].prefix, *(one.text for one in engine.requests[0].snippets)]
    assert not any("very-secret" in text for text in seen)
    assert await editor.texts("file:///project/.env", 1, 0) == []
    assert len(engine.requests) == 1


async def test_each_document_has_a_session_of_its_own(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th * height"
    other = "file:///project/other.py"
    editor = await start_editor()
    editor.open(URI, TEXT)
    editor.open(other, "# other\n" + TEXT)
    await editor.texts(URI, *HERE)
    await editor.texts(other, 2, 14)
    first, second = engine.requests
    assert first.session != second.session
    assert "area.py" not in first.session


async def test_the_request_carries_the_settings(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th"
    options = {"effort": "draft", "budgetMs": 700, "maxLineTokens": 12, "alternatives": 2}
    editor = await start_editor(options=options)
    editor.open(URI, TEXT)
    await editor.texts(URI, *HERE, invoked=True)
    request: InfillRequest = engine.requests[0]
    assert (request.effort, request.budget_ms) == ("draft", 700)
    assert (request.max_tokens, request.n) == (12, 2)


async def test_what_the_user_forbids_is_told_to_the_engine_and_never_shown(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    # As an engine of somebody else would, it does not keep to it.
    engine.reply = lambda _: "th * eval(height)"
    editor = await start_editor(options={"forbid": [r"\beval\("]})
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == []
    assert engine.requests[0].forbid == (r"\beval\(",)

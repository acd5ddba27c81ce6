"""Next edits of the real Language Server with an engine behind it that answers by script."""

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

    from midspan_engine.protocol import EditRequest

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///shop/cart.py"
OTHER = "file:///shop/till.py"
TEXT = """\
class Cart:
    def __init__(self, owner):
        self.owner = owner

    def describe(self):
        return f"cart of {self.owner}"


def make(owner):
    return Cart(owner)
"""


def _asked(editor: Editor, line: int, **how: Any) -> asyncio.Future[Any]:
    uri = how.get("uri", URI)
    params = {
        "textDocument": {"uri": uri, "version": how.get("version") or editor.versions[uri]},
        "position": {"line": line, "character": how.get("character", 0)},
        "reason": how.get("reason", "save"),
    }
    method = how.get("method", "midspan/nextEdit")
    sent: asyncio.Future[Any] = asyncio.ensure_future(
        editor.protocol.send_request_async(method, params)
    )
    return sent


async def _ask(editor: Editor, line: int, **how: Any) -> list[Any]:
    edits: list[Any] = (await asyncio.wait_for(_asked(editor, line, **how), 20)).edits
    return edits


def _save(editor: Editor, uri: str = URI) -> None:
    editor.text_document_did_save(
        types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri))
    )


def _take(editor: Editor, edit: Any) -> None:
    start, end = edit.range.start, edit.range.end
    editor.replace(
        edit.textDocument.uri,
        (start.line, start.character),
        (end.line, end.character),
        edit.newText,
    )
    editor.protocol.notify("midspan/nextEditEvent", {"id": edit.id, "kind": "accepted"})


def _with_limit(request: EditRequest) -> str:
    """What follows from the parameter `limit`: a field, and an argument of the call."""
    text = request.region
    if "self.limit" not in text:
        text = text.replace(
            "        self.owner = owner\n",
            "        self.owner = owner\n        self.limit = limit\n",
        )
    return text.replace("    return Cart(owner)\n", "    return Cart(owner, None)\n")


async def _begun(start_editor: StartEditor, **how: Any) -> Editor:
    """An editor in which a parameter was just added."""
    editor = await start_editor(**how)
    editor.open(URI, TEXT)
    editor.replace(URI, (1, 28), (1, 28), ", limit")
    return editor


async def test_the_model_is_asked_where_no_rule_knows(
    start_editor: StartEditor, engine: ScriptedEngine, state: Path
) -> None:
    engine.rewrite = _with_limit
    editor = await _begun(start_editor)
    first, second = await _ask(editor, 1)
    assert (first.newText, first.range.start.line) == ("        self.limit = limit\n", 3)
    assert (second.newText, second.range.start.line) == (", None", 9)
    request = engine.edits[0]
    [past] = request.history
    assert past.diff == (
        " class Cart:\n-    def __init__(self, owner):\n+    def __init__(self, owner, limit):\n"
        "         self.owner = owner\n"
    )
    assert request.path == "shop/cart.py"
    assert request.before + request.region + request.after == TEXT.replace(
        "owner):", "owner, limit):", 1
    )
    offered = json.loads((state / "state" / "counters.jsonl").read_text().splitlines()[0])
    assert (offered["source"], 0.4 < offered["confidence"] < 1) == ("engine", True)


@pytest.mark.parametrize("is_on", [True, False])
async def test_other_open_files_are_read_unless_that_is_off(
    start_editor: StartEditor, engine: ScriptedEngine, *, is_on: bool
) -> None:
    engine.rewrite = _with_limit
    editor = await start_editor(options={"context": {"snippets": is_on}})
    editor.open(
        OTHER, "from cart import Cart\n\n\ndef till(limit):\n    return Cart(None, limit)\n"
    )
    editor.open("file:///shop/.env", "limit = 'secret'\nCart = limit\n")
    editor.open(URI, TEXT)
    editor.replace(URI, (1, 28), (1, 28), ", limit")
    await _ask(editor, 1)
    read = {one.path for one in engine.edits[0].snippets}
    assert read == ({"shop/till.py"} if is_on else set())


async def test_lines_that_are_to_go_as_a_whole_are_one_edit_without_text(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    engine.rewrite = lambda _request: ""
    editor = await start_editor()
    editor.open(URI, TEXT)
    editor.replace(URI, (0, 0), (7, 0), "")
    [edit] = await _ask(editor, 0)
    assert (edit.newText, edit.range.start.line, edit.range.end.line) == ("", 0, 3)
    assert TEXT.count("\n") == 7 + 3


async def test_no_edit_is_an_answer_and_the_next_region_is_asked(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    editor = await start_editor()
    filler = "".join(f"x{at} = {at}\n" for at in range(40))
    editor.open(URI, f"def area(w):\n    return w\n\n{filler}\narea(1)\n")
    editor.replace(URI, (0, 10), (0, 10), ", h")
    engine.rewrite = lambda request: request.region.replace("return w", "return w * h")
    [edit] = await _ask(editor, 0)
    assert (edit.newText, edit.range.start.line) == (" * h", 1)
    assert "area(1)" in engine.edits[0].region
    assert "return w" in engine.edits[1].region


async def test_what_follows_the_offer_waits_already(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT.replace("\n\ndef make", "\n\n" + "x = 1\n" * 30 + "\n\ndef make"))
    editor.replace(URI, (1, 28), (1, 28), ", limit")
    engine.rewrite = _with_limit
    [field] = await _ask(editor, 1)
    assert "self.limit" in field.newText
    # The edit that is not taken yet stands in the text that the engine is asked about.
    number = len(engine.edits)
    while "self.limit" not in (ahead := await engine.edit_request(number)).before + ahead.region:
        number += 1
    engine.rewrite = lambda _: None
    _take(editor, field)
    for request in engine.edits[number:]:
        engine.answer_edit(request, _with_limit(request))
    engine.rewrite = _with_limit
    [call] = await _ask(editor, 4, reason="accepted")
    assert call.newText == ", None"


async def test_typing_ends_the_search_and_nothing_stale_is_sent(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    engine.rewrite = lambda _: None
    editor = await _begun(start_editor)
    answer = _asked(editor, 1)
    request = await engine.edit_request()
    editor.insert(URI, 5, 0, "#")
    assert await engine.cancellation() == request.id
    engine.answer_edit(request, _with_limit(request))
    assert (await asyncio.wait_for(answer, 20)).edits == []


async def test_a_request_that_is_cancelled_ends_the_search(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    engine.rewrite = lambda _: None
    editor = await _begun(start_editor)
    answer = _asked(editor, 1)
    request = await engine.edit_request()
    answer.cancel()
    editor.cancel_request(types.CancelParams(id=_last_id(editor)))
    assert await engine.cancellation() == request.id


def _last_id(editor: Editor) -> str:
    return str(list(editor.protocol._request_futures)[-1])


async def test_a_completion_comes_first(start_editor: StartEditor, engine: ScriptedEngine) -> None:
    engine.rewrite = lambda _: None
    editor = await start_editor()
    filler = "".join(f"x{at} = {at}\n" for at in range(40))
    editor.open(URI, f"def area(w):\n    return w\n\n{filler}\narea(1)\n")
    editor.replace(URI, (0, 10), (0, 10), ", h")
    answer = _asked(editor, 0)
    first = await engine.edit_request()
    completing = asyncio.ensure_future(editor.texts(URI, 1, 12, invoked=True))
    asked = await engine.request()
    engine.answer_edit(first, first.region)
    await asyncio.sleep(0.3)
    assert len(engine.edits) == 1
    engine.answer(asked, " * h")
    assert await completing == [" * h"]
    second = await engine.edit_request(1)
    engine.answer_edit(second, second.region.replace("return w", "return w * h"))
    [edit] = (await asyncio.wait_for(answer, 20)).edits
    assert edit.newText == " * h"


async def test_what_undoes_the_last_edit_is_not_shown(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    editor = await _begun(start_editor)
    engine.rewrite = lambda request: request.region.replace("owner, limit", "owner")
    assert await _ask(editor, 1) == []
    assert engine.edits


async def test_the_setting_decides_what_is_doubtful(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    def doubtful(request: EditRequest) -> None:
        engine.answer_edit(request, _with_limit(request), logprob=-0.4)

    engine.rewrite = doubtful
    shown = {}
    for show in ("quiet", "eager"):
        editor = await _begun(start_editor, options={"nextEdit": {"show": show}})
        shown[show] = len(await _ask(editor, 1))
    assert shown["quiet"] == 0
    assert shown["eager"] > 0


async def test_the_model_can_be_left_out(start_editor: StartEditor, engine: ScriptedEngine) -> None:
    engine.rewrite = _with_limit
    editor = await _begun(start_editor, options={"nextEdit": {"model": False}})
    assert await _ask(editor, 1) == []
    assert engine.edits == []


async def test_the_budget_ends_the_search(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    engine.rewrite = lambda _: None
    editor = await _begun(start_editor, options={"nextEdit": {"budgetMs": 200}})
    assert await _ask(editor, 1) == []
    request = await engine.edit_request()
    assert request.budget_ms is not None
    assert request.budget_ms <= 200
    assert await engine.cancellation() == request.id


async def test_a_pause_brings_edits_without_being_asked(
    start_editor: StartEditor, engine: ScriptedEngine, ghost_text_client: Callable[..., Any]
) -> None:
    engine.rewrite = _with_limit
    client = ghost_text_client()
    client.experimental = {"midspan": {"nextEdit": True}}
    editor = await start_editor(options={"nextEdit": {"idleMs": 100}}, capabilities=client)
    pushed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def take(params: Any) -> None:
        pushed.set_result(params)

    editor.feature("midspan/nextEdits")(take)
    editor.open(URI, TEXT)
    editor.replace(URI, (1, 28), (1, 28), ", limit")
    first = (await asyncio.wait_for(pushed, 20)).edits[0]
    assert first.textDocument.version == 2
    assert first.newText == "        self.limit = limit\n"


async def test_without_an_engine_the_rules_still_work(start_editor: StartEditor) -> None:
    editor = await _begun(start_editor)
    assert await _ask(editor, 1) == []
    editor.open(OTHER, "def f(width):\n    return width\n")
    editor.replace(OTHER, (0, 6), (0, 11), "breadth")
    assert [one.newText for one in await _ask(editor, 0, uri=OTHER)] == ["breadth"]


async def test_copilots_request_reaches_the_model(
    start_editor: StartEditor, engine: ScriptedEngine
) -> None:
    engine.rewrite = _with_limit
    editor = await _begun(start_editor)
    first, _ = await _ask(editor, 1, method="textDocument/copilotInlineEdit")
    assert first.text == "        self.limit = limit\n"

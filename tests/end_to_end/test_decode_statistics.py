"""`midspan/statistics` over the real wire."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.protocol import Choice, DecodeStats, Infill

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.end_to_end.editor import Editor
    from tests.end_to_end.scripted_engine import ScriptedEngine

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///project/area.py"
TEXT = "def area(width, height):\n    return wid\n"


async def _statistics(editor: Editor, params: object) -> Any:
    return await editor.protocol.send_request_async("midspan/statistics", params)


async def test_the_figures_of_a_suggestion_are_told_by_its_commands_argument(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    asked = asyncio.ensure_future(editor.suggest(URI, 1, 14))
    request = await engine.request()
    choice = Choice(text="th", finish="line", confidence=0.9, mean_logprob=-0.1)
    stats = DecodeStats(passes=3, tokens=5, drafted=4, accepted=2, cached_tokens=7)
    engine.send(Infill(id=request.id, document_version=1, choices=(choice,), stats=stats))
    [item] = await asked
    assert item.command is not None
    assert item.command.arguments is not None
    told = await _statistics(editor, {"id": item.command.arguments[0]})
    assert (told.passes, told.tokens, told.drafted, told.accepted) == (3, 5, 4, 2)
    assert told.cached_tokens == 7


@pytest.mark.parametrize("params", [{"id": "of-nobody"}, {}, None])
async def test_what_is_not_known_has_no_figures(start_editor: StartEditor, params: object) -> None:
    editor = await start_editor()
    assert await _statistics(editor, params) is None

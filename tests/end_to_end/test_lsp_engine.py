"""How the Language Server lives with its engine: start, loading, crash, refusal, distrust."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from midspan_engine.protocol import EngineStatus, Failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from lsprotocol import types
    from tests.end_to_end.editor import Editor
    from tests.end_to_end.scripted_engine import ScriptedEngine

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///project/area.py"
TEXT = "def area(width, height):\n    return wid\n"
HERE = (1, 14)


async def test_the_server_connects_before_the_first_request(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    await engine.connected()
    assert (await editor.until_state("ready"))["model"] == "scripted"


async def test_a_request_waits_while_the_model_loads_and_a_bar_shows_it(
    engine: ScriptedEngine,
    start_editor: StartEditor,
    ghost_text_client: Callable[..., types.ClientCapabilities],
) -> None:
    engine.reply = lambda _: "th"
    engine.status = EngineStatus(state="loading", message="reading weights", progress=0.2)
    editor = await start_editor(capabilities=ghost_text_client(progress=True))
    editor.open(URI, TEXT)
    asked = asyncio.ensure_future(editor.texts(URI, *HERE))
    await editor.until(lambda: len(editor.bars) > 0)
    assert engine.requests == []
    engine.be(EngineStatus(state="loading", message="reading weights", progress=0.6))
    await editor.until(lambda: len(editor.bars) > 1)
    engine.be(EngineStatus(state="ready", model="scripted"))
    assert await asked == ["th"]
    await editor.until(lambda: len(editor.bars) > 2)
    assert [bar["kind"] if isinstance(bar, dict) else bar.kind for bar in editor.bars] == [
        "begin",
        "report",
        "end",
    ]


async def test_a_crash_costs_one_suggestion_and_the_next_request_connects_again(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    asked = asyncio.ensure_future(editor.texts(URI, *HERE))
    await engine.request()
    await engine.stop()
    assert await asked == []
    await editor.until_state("stopped")
    engine.reply = lambda _: "th"
    await engine.start()
    assert await editor.texts(URI, *HERE) == ["th"]
    assert engine.connections == 2


async def test_the_engine_is_started_when_nobody_answers(
    start_editor: StartEditor, scripted_program: list[str], state: Path
) -> None:
    options = {"engine": {"command": [*scripted_program, "th * height"]}}
    editor = await start_editor(options=options)
    editor.open(URI, TEXT)
    try:
        assert await editor.texts(URI, *HERE) == ["th * height"]
        assert [status["state"] for status in editor.statuses][:2] == ["starting", "ready"]
    finally:
        log = (state / "state" / "engine.log").read_text()
        os.kill(int(log.rsplit(maxsplit=1)[-1]), signal.SIGKILL)


async def test_an_engine_that_cannot_start_is_reported_with_its_last_words(
    start_editor: StartEditor,
) -> None:
    program = "import sys; sys.exit('no memory left')"
    options = {"engine": {"command": [sys.executable, "-c", program]}}
    editor = await start_editor(options=options)
    status = await editor.until_state("failed")
    assert "no memory left" in status["message"]


async def test_without_autostart_the_user_is_told_how_to_start_it(
    start_editor: StartEditor,
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    assert "midspan engine" in (await editor.until_state("failed"))["message"]
    assert await editor.texts(URI, *HERE) == []
    assert editor.messages == []
    assert await editor.texts(URI, *HERE, invoked=True) == []
    await editor.until(lambda: len(editor.messages) > 0)
    assert await editor.texts(URI, *HERE, invoked=True) == []
    assert len(editor.messages) == 1


async def test_another_version_of_the_engine_is_refused_with_what_to_do(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    engine.protocol = 999
    editor = await start_editor()
    assert "version 999" in (await editor.until_state("failed"))["message"]


async def test_a_socket_in_a_folder_that_others_can_write_to_is_not_trusted(
    engine: ScriptedEngine, start_editor: StartEditor, state: Path
) -> None:
    state.chmod(0o777)  # noqa: ASYNC240  one call, before anything runs
    editor = await start_editor()
    assert "not trusted" in (await editor.until_state("failed"))["message"]
    assert engine.connections == 0


@pytest.mark.parametrize("code", ["queue_full", "too_large", "bad_request"])
async def test_a_refused_request_is_an_empty_answer(
    code: str, engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    editor.open(URI, TEXT)
    asked = asyncio.ensure_future(editor.texts(URI, *HERE))
    request = await engine.request()
    engine.refuse(request, Failure(id=request.id, code=code, message="no"))  # type: ignore[arg-type]
    assert await asked == []
    again = asyncio.ensure_future(editor.texts(URI, *HERE))
    engine.answer(await engine.request(1), "th")
    assert await again == ["th"]


async def test_an_engine_that_ends_when_idle_is_no_failure(
    engine: ScriptedEngine, start_editor: StartEditor
) -> None:
    editor = await start_editor()
    await editor.until_state("ready")
    engine.be(EngineStatus(state="stopping"))
    await editor.until_state("stopped")
    await engine.stop()
    engine.status = EngineStatus(state="ready")
    engine.reply = lambda _: "th"
    await engine.start()
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th"]
    assert not any(status["state"] == "failed" for status in editor.statuses)

"""The Language Server with somebody else's model behind it."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lsprotocol import types

from midspan_engine.protocol import EngineStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import ModuleType

    from tests.end_to_end.editor import Editor
    from tests.end_to_end.scripted_engine import ScriptedEngine
    from tests.server.backends.scripted_server import ScriptedServer

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///project/area.py"
TEXT = "def area(width, height):\n    return wid\n"
HERE = (1, 14)


@pytest.fixture(scope="module")
def say() -> ModuleType:
    path = Path(__file__).parents[1] / "server" / "backends" / "scripted_server.py"
    spec = importlib.util.spec_from_file_location("scripted_server_of_backends", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scripted_server_of_backends"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def web(say: ModuleType) -> Iterator[ScriptedServer]:
    server: ScriptedServer = say.ScriptedServer()
    server.start()
    yield server
    server.stop()


def _options(web: ScriptedServer, **more: Any) -> dict[str, Any]:
    return {"backend": {"kind": "openai", "url": web.url, "model": "m", **more}}


async def test_a_configured_server_completes_and_the_local_engine_stays_asleep(
    engine: ScriptedEngine, web: ScriptedServer, say: Any, start_editor: StartEditor
) -> None:
    web.replies = [say.openai_stream("th", " * height", "\nprint", logprob=-0.01)]
    editor = await start_editor(options=_options(web))
    status = await editor.until_state("ready")
    assert (status["model"], status["backend"]) == ("m", f"openai at 127.0.0.1:{web.port}")
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th * height"]
    assert await editor.texts(URI, *HERE) == ["th * height"]
    assert len(web.requests) == 1
    assert engine.connections == 0


async def test_doubtful_answers_are_not_shown_unless_asked_for_by_hand(
    web: ScriptedServer, say: Any, start_editor: StartEditor
) -> None:
    web.replies = [say.openai_stream("th", " * height", logprob=-2.0)]
    editor = await start_editor(options=_options(web))
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == []
    assert await editor.texts(URI, *HERE, invoked=True) == ["th * height"]


async def test_a_server_that_refuses_is_told_once_and_the_local_engine_completes(
    engine: ScriptedEngine, web: ScriptedServer, say: Any, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th"
    web.replies = [say.error(401, "who are you?")]
    editor = await start_editor(options=_options(web))
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th"]
    editor.insert(URI, 0, 0, "import os\n")
    assert await editor.texts(URI, HERE[0] + 1, HERE[1]) == ["th"]
    await editor.until(lambda: any("because" in one["message"] for one in editor.statuses))
    assert len(web.requests) == 1
    assert len(editor.messages) == 1
    assert "refused the API key" in editor.messages[0]
    last = editor.statuses[-1]
    assert (last["state"], last["model"], last["backend"]) == ("ready", "scripted", "")


async def test_moving_on_hangs_up_on_the_server(
    web: ScriptedServer, say: Any, start_editor: StartEditor
) -> None:
    web.replies = [say.unfinished("th"), say.openai_stream("a = 1")]
    editor = await start_editor(options=_options(web))
    editor.open(URI, TEXT)
    asked = asyncio.ensure_future(editor.texts(URI, *HERE))
    await web.until_asked()
    editor.replace(URI, (1, 4), (1, 14), "x = ")
    assert await editor.texts(URI, 1, 8) == ["a = 1"]
    assert await asked == []
    await web.until_hung_up()


async def test_a_bad_choice_is_told_and_nothing_is_sent(
    engine: ScriptedEngine, web: ScriptedServer, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th"
    editor = await start_editor(options=_options(web, template="qwne"))
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th"]
    assert "midspan.backend.template" in editor.messages[0]
    assert web.requests == []


async def test_a_backend_can_be_changed_while_the_server_runs(
    engine: ScriptedEngine, web: ScriptedServer, say: Any, start_editor: StartEditor
) -> None:
    engine.reply = lambda _: "th"
    engine.status = EngineStatus(state="ready", model="scripted")
    web.replies = [say.openai_stream("th * 2")]
    editor = await start_editor()
    editor.open(URI, TEXT)
    assert await editor.texts(URI, *HERE) == ["th"]
    editor.workspace_did_change_configuration(_configured(_options(web)))
    assert await editor.texts(URI, *HERE) == ["th * 2"]
    await editor.until(lambda: editor.statuses[-1]["model"] == "m")
    editor.workspace_did_change_configuration(_configured({"backend": {"kind": "midspan"}}))
    assert await editor.texts(URI, *HERE) == ["th"]
    await editor.until(lambda: editor.statuses[-1]["model"] == "scripted")


async def test_secrets_and_ignored_files_never_reach_the_server(
    web: ScriptedServer, say: Any, start_editor: StartEditor, tmp_path: Path
) -> None:
    web.replies = [say.openai_stream("th * height")]
    hidden = "area_password = 'hunter2'\narea_password_hash = 'hunter2'\n"
    for name in (".env", "generated.py", "b.py", "a.py"):
        (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_text("generated.py\n")
    editor = await start_editor(options=_options(web, sendSnippets=True), folder=tmp_path)
    for name in (".env", "generated.py"):
        editor.open((tmp_path / name).as_uri(), hidden)
        editor.insert((tmp_path / name).as_uri(), 2, 0, "hunter2_typed = area_password\n")
        assert await editor.texts((tmp_path / name).as_uri(), 0, 16, invoked=True) == []
    other = "def area_password(width):\n    visible_word = width\n    return visible_word\n"
    editor.open((tmp_path / "b.py").as_uri(), other)
    here = (tmp_path / "a.py").as_uri()
    # Long enough for what is chosen by the text above, of which the last lines are left out.
    editor.open(here, "area_password(visible_word, area_password_hash)\n" * 60 + "return wid\n")
    assert await editor.texts(here, 60, 10, invoked=True) == ["th * height"]
    [request] = web.requests
    assert "visible_word = width" in request.text
    assert "hunter2" not in request.text


def _configured(options: dict[str, Any]) -> Any:
    settings = {"midspan": {"statusNotifications": True, "engine": {"autostart": False}, **options}}
    return types.DidChangeConfigurationParams(settings=settings)

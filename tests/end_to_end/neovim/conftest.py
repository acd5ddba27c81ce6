"""Real Neovim with the plugin, on the real server and a scripted engine or on a scripted server."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.weights.files import cache_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tests.end_to_end.neovim.neovim_driver import Neovim
    from tests.end_to_end.scripted_engine import ScriptedEngine

    StartNeovim = Callable[..., Neovim]

_HERE = Path(__file__).parent
_PATIENCE_S = 30.0

TEXT = "def area(width, height):\n    return \n"


def _load(path: Path) -> ModuleType:
    """Load a module by its path: tests are no package."""
    name = f"neovim_tests_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_driver = _load(_HERE / "neovim_driver.py")
_scripted_engine = _load(_HERE.parent / "scripted_engine.py")


class EngineThread:
    """A scripted engine beside a test that does not await."""

    def __init__(self, socket: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.engine: ScriptedEngine = _scripted_engine.ScriptedEngine(socket)

    def start(self) -> None:
        self._thread.start()
        self._run(self.engine.start())

    def stop(self) -> None:
        self._run(self.engine.stop())
        self._run(_cancel_the_rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def pause(self) -> None:
        """Go away as a crash would."""
        self._run(self.engine.stop())

    def resume(self) -> None:
        self._run(self.engine.start())

    def says(self, *texts: str) -> None:
        """Answer every request with `texts`, as many as it asks for."""

        async def script() -> None:
            self.engine.reply = None
            self._texts = texts
            self.engine.reply = self._reply

        self._run(script())

    def waits(self) -> None:
        """Answer nothing by itself from here on."""
        self.engine.reply = None

    def forget(self) -> None:
        """Count requests from here on."""
        self.engine.requests.clear()
        self.engine.cancelled.clear()

    def request(self, number: int = 0) -> Any:
        """Wait for request `number`, counted from 0."""
        return self._run(self.engine.request(number))

    def answer(self, request: Any, *texts: str) -> None:
        self._loop.call_soon_threadsafe(lambda: self.engine.answer(request, *texts))

    @property
    def count(self) -> int:
        return len(self.engine.requests)

    def _reply(self, request: Any) -> str | None:
        texts = self._texts if request.n > 1 else self._texts[:1]
        self.engine.answer(request, *texts)
        return None

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_S)


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for everything; short, since socket paths are limited."""
    with tempfile.TemporaryDirectory(prefix="nv-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def neovim_environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "MIDSPAN_CACHE": str(cache_directory()),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_STATE_HOME": str(folder / "xdg-state"),
        "XDG_CACHE_HOME": str(folder / "xdg-cache"),
        "XDG_RUNTIME_DIR": str(folder),
        "MIDSPAN_STATE": str(folder / "state"),
        "MIDSPAN_SOCKET": str(folder / "engine.sock"),
    }


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[EngineThread]:
    thread = EngineThread(folder / "engine.sock")
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture(scope="module")
def write_init(folder: Path) -> Callable[..., Path]:
    """Write an `init.lua` that has the plugin, with `settings` and with `more` before it."""

    def write(settings: dict[str, Any], more: str = "") -> Path:
        init = folder / f"init{len(list(folder.glob('init*.lua')))}.lua"
        chosen = json.dumps(settings)
        init.write_text(
            f"vim.opt.runtimepath:prepend({json.dumps(str(_driver.PLUGIN))})\n{more}\n"
            f"require('midspan').setup(vim.json.decode([==[{chosen}]==]))\n",
            encoding="utf-8",
        )
        return init

    return write


@pytest.fixture(scope="module")
def server_settings() -> dict[str, Any]:
    """The real server, on an engine that the test brings."""
    command = [sys.executable, "-m", "midspan_server", "lsp"]
    return {"cmd": command, "server": {"engine": {"autostart": False}, "budgetMs": None}}


@pytest.fixture(scope="module")
def start_neovim(
    neovim_environment: dict[str, str],
    write_init: Callable[..., Path],
    server_settings: dict[str, Any],
) -> Iterator[StartNeovim]:
    """Start editors that are ended after the test, by default on the real server."""
    started: list[Neovim] = []

    def start(
        settings: dict[str, Any] | None = None,
        *,
        more: str = "",
        environment: dict[str, str] | None = None,
    ) -> Neovim:
        path = write_init(server_settings | (settings or {}), more)
        editor: Neovim = _driver.Neovim(neovim_environment | (environment or {}), path)
        started.append(editor)
        return editor

    yield start
    for editor in started:
        editor.quit()


@pytest.fixture(scope="module")
def shared_neovim(engine: EngineThread, start_neovim: StartNeovim) -> Neovim:
    """One editor for all tests of a module; `editor` gives it back in order."""
    engine.says("")
    return start_neovim()


@pytest.fixture
def editor(
    engine: EngineThread, shared_neovim: Neovim, folder: Path, request: pytest.FixtureRequest
) -> Neovim:
    """An editor with an open Python file, on the real server and the scripted engine."""
    shared_neovim.reset()
    engine.forget()
    engine.says("width * height")
    # A file of its own, so that nothing comes from the server's cache.
    shared_neovim.open(folder / f"{request.node.name[:60]}.py", TEXT)
    return shared_neovim


@pytest.fixture(scope="module")
def start_as_installed(
    neovim_environment: dict[str, str],
) -> Iterator[Callable[[], Neovim]]:
    """Start editors that read the user's own configuration and packages."""
    started: list[Neovim] = []

    def start() -> Neovim:
        editor: Neovim = _driver.Neovim(neovim_environment)
        started.append(editor)
        return editor

    yield start
    for editor in started:
        editor.quit()


@pytest.fixture(scope="module")
def plugin() -> Path:
    """The plugin's folder."""
    return Path(_driver.PLUGIN)


@pytest.fixture(scope="module")
def neovim_program() -> Path:
    return Path(_driver.binary())


@pytest.fixture(scope="module")
def scripted_lsp() -> list[str]:
    """Command of the scripted server."""
    return [sys.executable, str(_HERE / "scripted_lsp.py")]

"""The scripted engine and the editor of the Language Server's tests."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from types import ModuleType

    from tests.end_to_end.editor import Editor
    from tests.end_to_end.scripted_engine import ScriptedEngine

    StartEditor = Callable[..., Awaitable[Editor]]


def _neighbour(name: str) -> ModuleType:
    """Load a module of this folder by its path: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_editor = _neighbour("editor")
_scripted_engine = _neighbour("scripted_engine")


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder for socket, log and counters; short, since socket paths are limited."""
    with tempfile.TemporaryDirectory(prefix="ms-") as folder:
        yield Path(folder)


@pytest.fixture
def environment(state: Path) -> dict[str, str]:
    return {
        **os.environ,
        "MIDSPAN_STATE": str(state / "state"),
        "MIDSPAN_SOCKET": str(state / "engine.sock"),
    }


@pytest_asyncio.fixture
async def engine(state: Path) -> AsyncIterator[ScriptedEngine]:
    """A running scripted engine."""
    scripted: ScriptedEngine = _scripted_engine.ScriptedEngine(state / "engine.sock")
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture
def ghost_text_client() -> Callable[..., Any]:
    """Make capabilities of a client that draws ghost text."""
    made: Callable[..., Any] = _editor.ghost_text_client
    return made


@pytest.fixture
def popup_client() -> Callable[[], Any]:
    made: Callable[[], Any] = _editor.popup_client
    return made


@pytest.fixture
def scripted_program() -> list[str]:
    """Command of a scripted engine that runs by itself; add the text it answers."""
    return [sys.executable, str(Path(__file__).with_name("scripted_engine.py"))]


@pytest_asyncio.fixture
async def start_editor(environment: dict[str, str], state: Path) -> AsyncIterator[StartEditor]:
    """Start editors with a server each; they are ended after the test.

    The real engine, which would outlive the test, is started only where the options say so.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def start(*, options: dict[str, Any] | None = None, **how: Any) -> Editor:
            editor: Editor = _editor.Editor()
            chosen: dict[str, Any] = {"engine": {"autostart": False}} | (options or {})
            # Off by default, for the weights that are the default were not taught next edits.
            chosen["nextEdit"] = {"model": True} | chosen.get("nextEdit", {})
            await editor.start(environment, state / "lsp.log", options=chosen, **how)
            stack.push_async_callback(editor.quit)
            return editor

        yield start

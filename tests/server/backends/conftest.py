"""The scripted HTTP server, and backends that ask it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from midspan_server.backends.http_backend import HttpBackend
from midspan_server.backends.settings import BackendSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType

    from tests.server.backends.scripted_server import ScriptedServer

_NAME = "scripted_http_server"


def _load() -> ModuleType:
    """Load the neighbour by its path: tests are no package."""
    path = Path(__file__).with_name("scripted_server.py")
    spec = importlib.util.spec_from_file_location(_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
    return module


_scripted_server = _load()


@pytest.fixture(scope="session")
def say() -> Any:
    """The module with the shapes of answers."""
    return _scripted_server


@pytest.fixture(scope="session")
def _running() -> Iterator[ScriptedServer]:
    server: ScriptedServer = _scripted_server.ScriptedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def web(_running: ScriptedServer) -> ScriptedServer:
    """A running server without replies yet."""
    _running.forget()
    return _running


@pytest_asyncio.fixture
async def ask(web: ScriptedServer) -> AsyncIterator[Callable[..., HttpBackend]]:
    """Make backends for the server; keywords are settings."""
    made: list[HttpBackend] = []

    def make(kind: Any = "openai", **more: Any) -> HttpBackend:
        chosen = {"kind": kind, "url": web.url, "model": "m"} | more
        made.append(HttpBackend(BackendSettings(**chosen)))
        return made[-1]

    yield make
    for backend in made:
        await backend.close()

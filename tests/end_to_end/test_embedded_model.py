"""A machine without weights and without a network: the model of the package completes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from midspan_engine.protocol import Hello, Welcome, decode_engine, encode, frame_length

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.end_to_end.editor import Editor

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///project/area.py"
TEXT = """\
def area(width, height):
    return width *

print(area(2, 3))
"""


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """No weights, and every road to the network closed."""
    nowhere = "http://127.0.0.1:9"
    return {
        **environment,
        "MIDSPAN_CACHE": str(tmp_path / "empty"),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nowhere),
    }


@pytest_asyncio.fixture(autouse=True)
async def _no_engine_is_left(state: Path) -> AsyncIterator[None]:
    yield
    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
        reader, writer = await asyncio.open_unix_connection(str(state / "engine.sock"))
        writer.write(encode(Hello(client="test")))
        length = frame_length(await reader.readexactly(4))
        welcome = decode_engine(await reader.readexactly(length))
        writer.close()
        assert isinstance(welcome, Welcome)
        os.kill(welcome.pid, signal.SIGTERM)


def test_complete_answers_and_says_what_would_be_better(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "area.py"
    file.write_text(TEXT, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "midspan_server", "complete", f"{file}:2", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"model": "midspan-nano"' in done.stdout
    assert '"passes": 0' not in done.stdout
    assert "midspan pull" in done.stderr


async def test_an_editor_gets_suggestions_and_is_told_once(start_editor: StartEditor) -> None:
    editor = await start_editor(options={"threshold": 0.0, "engine": {"autostart": True}})
    await editor.until_state("starting")
    editor.open(URI, TEXT)
    await editor.until_state("ready", patience_s=60)
    # What it says is up to a small model; that it is asked and answers is what counts.
    texts = await editor.texts(URI, 1, 18, invoked=True)
    assert all("\n" not in text for text in texts)
    told = [message for message in editor.messages if "midspan pull" in str(message)]
    assert len(told) == 1

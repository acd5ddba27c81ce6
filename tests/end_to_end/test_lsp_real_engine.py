"""`midspan lsp` with the engine that it starts by itself, on the real weights."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from midspan_engine import weights
from midspan_engine.protocol import Hello, Welcome, decode_engine, encode, frame_length

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.end_to_end.editor import Editor

    StartEditor = Callable[..., Awaitable[Editor]]

pytestmark = pytest.mark.slow

URI = "file:///project/area.py"
TEXT = '''\
def area_of_rectangle(width, height):
    """Return the area of a rectangle."""
    return w\n

def area_of_square(side):
    return side * side
'''

CLASS = """\
class Box:
    def __init__(self, width, height):
        self.width = width
        self.height = height

    def area(self):
        return self.width * self.height
"""


@pytest.fixture(scope="module", autouse=True)
def _weights() -> None:
    try:
        weights.resolve("midspan-0.5b")
    except weights.WeightsMissing as error:
        pytest.skip(str(error))


@pytest_asyncio.fixture(autouse=True)
async def _no_engine_is_left(state: Path) -> AsyncIterator[None]:
    """The engine outlives its editors; it tells its process in its greeting."""
    yield
    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
        reader, writer = await asyncio.open_unix_connection(str(state / "engine.sock"))
        writer.write(encode(Hello(client="test")))
        length = frame_length(await reader.readexactly(4))
        welcome = decode_engine(await reader.readexactly(length))
        writer.close()
        assert isinstance(welcome, Welcome)
        os.kill(welcome.pid, signal.SIGTERM)


async def test_real_code_is_completed_and_typing_on_needs_no_engine(
    start_editor: StartEditor,
) -> None:
    editor = await start_editor(options={"threshold": 0.0, "engine": {"autostart": True}})
    await editor.until_state("starting")
    editor.open(URI, TEXT)
    await editor.until_state("ready", patience_s=120)
    [text] = await editor.texts(URI, 2, 12)
    assert text.startswith("idth")
    editor.insert(URI, 2, 12, "idth")
    rest = await editor.texts(URI, 2, 16)
    assert rest == [text.removeprefix("idth")] or text == "idth"
    assert 1 <= len(await editor.texts(URI, 2, 16, invoked=True)) <= 3


async def test_what_the_model_says_of_a_next_edit_can_be_made(
    start_editor: StartEditor, state: Path
) -> None:
    next_edit = {"show": "eager", "budgetMs": 20_000}
    editor = await start_editor(options={"nextEdit": next_edit, "engine": {"autostart": True}})
    editor.open(URI, CLASS)
    editor.replace(URI, (1, 36), (1, 36), ", depth")
    await editor.until_state("ready", patience_s=180)
    params = {
        "textDocument": {"uri": URI, "version": editor.versions[URI]},
        "position": {"line": 1, "character": 43},
        "reason": "save",
    }
    asked = editor.protocol.send_request_async("midspan/nextEdit", params)
    answer = await asyncio.wait_for(asked, 120)
    # Refusals and a lost connection are told there; a model may have nothing to say.
    assert (state / "lsp.log").read_text() == ""
    assert editor.messages == []
    for edit in answer.edits:
        assert edit.textDocument.version == editor.versions[URI]
        assert edit.range.end.line <= CLASS.count("\n")

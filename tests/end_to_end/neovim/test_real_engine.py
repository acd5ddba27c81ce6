"""Neovim, the server and the engine that it starts by itself, on the real weights."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from midspan_engine import weights
from midspan_server.commands.demo import engine_pid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.end_to_end.neovim.neovim_driver import Neovim

    StartNeovim = Callable[..., Neovim]

pytestmark = pytest.mark.slow

TEXT = '''\
def area_of_rectangle(width, height):
    """Return the area of a rectangle."""
    return w


def area_of_square(side):
    return side * side
'''


@pytest.fixture(scope="module", autouse=True)
def _weights() -> None:
    try:
        weights.resolve("midspan-0.5b")
    except weights.WeightsMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(autouse=True)
def _no_engine_is_left(folder: Path) -> Iterator[None]:
    yield
    pid = engine_pid(folder / "engine.sock")
    if pid is not None:
        os.kill(pid, signal.SIGTERM)


def test_real_code_is_completed_from_the_first_key_to_the_last(
    start_neovim: StartNeovim, folder: Path
) -> None:
    editor = start_neovim({"server": {"threshold": 0.0, "budgetMs": None}})
    editor.open(folder / "rectangle.py", TEXT)
    editor.patience_s = 120
    editor.until(lambda: editor.lua("return require('midspan').statusline()") == "Midspan", "ready")
    editor.type("jjA")
    ghost = editor.until(editor.ghost, "ghost text")
    assert ghost["text"].startswith("idth")
    editor.type("<M-Right>")
    editor.until(lambda: editor.lines[2] == "    return width", "a word")
    if ghost["text"] != "idth":
        editor.until_ghost(ghost["text"].removeprefix("idth"))
        editor.type("<Tab>")
    editor.until(lambda: editor.lines[2] == "    return w" + ghost["text"], "all of it")
    editor.type("<Esc>u")
    editor.until(lambda: len(editor.lines[2]) < len("    return w" + ghost["text"]), "undo")
    assert "E5" not in editor.lua("return vim.fn.execute('messages')")

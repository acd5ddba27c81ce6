"""Beside the real blink.cmp, where a package that brings it is installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end_to_end.neovim.conftest import EngineThread
    from tests.end_to_end.neovim.neovim_driver import Neovim

    StartNeovim = Callable[..., Neovim]

_PROFILE = importlib.util.find_spec("nvim_zsh_profile")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_PROFILE is None, reason="needs the package nvim-zsh-profile"),
]

_SETUP = """
vim.opt.runtimepath:prepend({path})
require('blink.cmp').setup({{
  -- The other implementation is a compiled library.
  fuzzy = {{ implementation = 'lua' }},
  sources = {{ default = {{ 'buffer' }} }},
  keymap = {{ preset = 'default' }},
}})
"""


@pytest.fixture(scope="module")
def beside_blink(engine: EngineThread, start_neovim: StartNeovim, folder: Path) -> Neovim:
    assert _PROFILE is not None
    assert _PROFILE.origin is not None
    plugin = Path(_PROFILE.origin).parent / "assets" / "nvim-lazy" / "blink.cmp"
    engine.says("dth * height")
    editor = start_neovim(more=_SETUP.format(path=json.dumps(str(plugin))))
    editor.open(folder / "blink.py", "def area(width, height):\n    return \n")
    return editor


def is_menu_open(editor: Neovim) -> bool:
    return bool(editor.lua("return require('blink.cmp').is_menu_visible()"))


def test_ghost_text_gives_way_to_its_menu_and_comes_back(beside_blink: Neovim) -> None:
    editor = beside_blink
    editor.type("jAwi")
    editor.until(lambda: is_menu_open(editor), "the menu")
    editor.until_no_ghost()
    editor.type("<C-e>")
    editor.until(lambda: not is_menu_open(editor), "no menu")
    editor.until_ghost("dth * height")
    editor.type("<Tab>")
    editor.until(lambda: editor.lines[1] == "    return width * height", "all of it")


def test_its_own_keys_work_while_the_menu_is_open(beside_blink: Neovim) -> None:
    editor = beside_blink
    editor.type("<Esc>ccreturn wi")
    editor.until(lambda: is_menu_open(editor), "the menu")
    editor.type("<C-n><C-y>")
    editor.until(lambda: editor.lines[1] == "    return width", "its entry")

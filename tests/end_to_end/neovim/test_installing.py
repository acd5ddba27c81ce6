"""The ways of installing that need no plugin manager, and what one does in its configuration."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.end_to_end.neovim.conftest import EngineThread
    from tests.end_to_end.neovim.neovim_driver import Neovim

    StartNeovim = Callable[[], Neovim]

pytestmark = pytest.mark.slow


@pytest.fixture
def configuration(folder: Path) -> Iterator[Path]:
    """The user's `init.lua`."""
    init = folder / "config" / "nvim" / "init.lua"
    init.parent.mkdir(parents=True)
    yield init
    shutil.rmtree(folder / "config")
    shutil.rmtree(folder / "data" / "nvim", ignore_errors=True)


def works(editor: Neovim, engine: EngineThread, folder: Path) -> None:
    engine.says("side * side")
    editor.open(folder / "square.py", "def area(side):\n    return \n")
    editor.type("jA")
    editor.until_ghost("side * side")
    assert editor.lua("return vim.fn.execute('messages')").strip() == ""


def lua_table(settings: dict[str, Any]) -> str:
    return f"vim.json.decode([==[{json.dumps(settings)}]==])"


def test_a_line_in_the_configuration_is_enough(
    start_as_installed: StartNeovim,
    configuration: Path,
    plugin: Path,
    server_settings: dict[str, Any],
    engine: EngineThread,
    folder: Path,
) -> None:
    configuration.write_text(
        f"vim.g.midspan = {lua_table(server_settings)}\n"
        f"vim.opt.runtimepath:append({json.dumps(str(plugin))})\n",
        encoding="utf-8",
    )
    works(start_as_installed(), engine, folder)


def test_a_link_in_the_packages_is_enough(
    start_as_installed: StartNeovim,
    configuration: Path,
    plugin: Path,
    server_settings: dict[str, Any],
    engine: EngineThread,
    folder: Path,
) -> None:
    package = folder / "data" / "nvim" / "site" / "pack" / "midspan" / "start" / "midspan"
    package.parent.mkdir(parents=True)
    package.symlink_to(plugin)
    configuration.write_text(f"vim.g.midspan = {lua_table(server_settings)}\n", encoding="utf-8")
    works(start_as_installed(), engine, folder)


def test_a_plugin_manager_may_load_it_late(
    start_as_installed: StartNeovim,
    configuration: Path,
    plugin: Path,
    server_settings: dict[str, Any],
    engine: EngineThread,
    folder: Path,
) -> None:
    configuration.write_text("", encoding="utf-8")
    editor = start_as_installed()
    editor.lua(
        "vim.opt.runtimepath:append(...)\nvim.cmd.runtime('plugin/midspan.lua')\n"
        "require('midspan').setup(select(2, ...))",
        str(plugin),
        server_settings,
    )
    works(editor, engine, folder)


def test_the_help_has_a_page_for_each_command_and_setting(
    start_as_installed: StartNeovim, configuration: Path, plugin: Path, folder: Path
) -> None:
    docs = folder / "copy"
    shutil.copytree(plugin / "doc", docs / "doc")
    configuration.write_text(
        f"vim.opt.runtimepath:append({json.dumps(str(docs))})\n"
        f"vim.opt.runtimepath:append({json.dumps(str(plugin))})\n",
        encoding="utf-8",
    )
    editor = start_as_installed()
    editor.call("nvim_command", f"helptags {docs / 'doc'}")
    for topic in ("midspan", ":Midspan", "midspan-settings", "midspan-keys", "midspan-install"):
        editor.call("nvim_command", f"help {topic}")
        assert editor.lua("return vim.bo.filetype") == "help"
    page = (docs / "doc" / "midspan.txt").read_text(encoding="utf-8")
    defaults = editor.lua(
        "local names = {}\n"
        "for section, values in pairs(require('midspan.config').defaults) do\n"
        "  names[#names + 1] = section\n"
        "  for name in pairs(type(values) == 'table' and values or {}) do\n"
        "    names[#names + 1] = name\n"
        "  end\n"
        "end\n"
        "return names"
    )
    assert [name for name in defaults if name not in page] == []

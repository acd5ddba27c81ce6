"""`:Midspan`, the statusline, `:checkhealth`, and servers that end or are not there."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.end_to_end.neovim.conftest import EngineThread
    from tests.end_to_end.neovim.neovim_driver import Neovim

    StartNeovim = Callable[..., Neovim]

pytestmark = pytest.mark.slow

SUGGESTED = "width * height"
STATUSLINE = "return require('midspan').statusline()"


def command(editor: Neovim, text: str) -> None:
    editor.call("nvim_command", f"Midspan {text}")


def messages(editor: Neovim) -> str:
    return str(editor.lua("return vim.fn.execute('messages')"))


def until_message(editor: Neovim, text: str) -> None:
    editor.until(lambda: text in messages(editor), f"message {text!r}")


def test_disabled_takes_it_away_and_enabled_brings_it_back(
    editor: Neovim, engine: EngineThread
) -> None:
    editor.type("jA")
    editor.until_ghost(SUGGESTED)
    command(editor, "disable")
    editor.until_no_ghost()
    assert editor.lua(STATUSLINE) == "Midspan -"
    editor.type("x")
    editor.settled()
    assert engine.count == 1
    command(editor, "enable")
    editor.until_ghost(SUGGESTED)
    assert editor.lua(STATUSLINE) == "Midspan"


def test_a_buffer_is_switched_off_by_itself(editor: Neovim, engine: EngineThread) -> None:
    command(editor, "disable buffer")
    editor.type("jAx")
    editor.settled()
    assert engine.count == 0
    command(editor, "enable buffer")
    editor.until_ghost(SUGGESTED)


def test_toggle_does_both(editor: Neovim) -> None:
    editor.type("jA")
    editor.until_ghost(SUGGESTED)
    command(editor, "toggle")
    editor.until_no_ghost()
    command(editor, "toggle")
    editor.until_ghost(SUGGESTED)


def test_snoozed_it_comes_back_by_itself(editor: Neovim) -> None:
    editor.type("jA")
    editor.until_ghost(SUGGESTED)
    # In one call: it is short, and so is the time to see that nothing is there.
    hidden = "vim.cmd('Midspan snooze 0.005')\nreturn not require('midspan').is_visible()"
    assert editor.lua(hidden)
    editor.until_ghost(SUGGESTED)
    command(editor, "snooze")
    assert editor.lua(STATUSLINE) == "Midspan snoozed for 30 min"
    command(editor, "enable")


def test_the_status_names_the_engine(editor: Neovim) -> None:
    editor.until(lambda: editor.lua(STATUSLINE) == "Midspan", "ready")
    command(editor, "status")
    until_message(editor, "Midspan: ready (scripted)")


def test_the_log_opens(editor: Neovim) -> None:
    command(editor, "log")
    assert str(editor.lua("return vim.api.nvim_buf_get_name(0)")).endswith("lsp.log")


@pytest.mark.parametrize("wrong", ["nonsense", "snooze never", "next-edit nonsense"])
def test_what_it_does_not_know_is_told(editor: Neovim, wrong: str) -> None:
    editor.type(f":Midspan {wrong}<CR>")
    until_message(editor, f'"{wrong.rpartition(" ")[2]}"')


def test_commands_are_completed(editor: Neovim) -> None:
    complete = "return vim.fn.getcompletion(..., 'cmdline')"
    assert editor.lua(complete, "Midspan e") == ["enable"]
    assert editor.lua(complete, "Midspan next-edit a") == ["accept", "ask"]
    assert editor.lua(complete, "Midspan disable ") == ["buffer"]


def test_health_finds_nothing_wrong(editor: Neovim) -> None:
    editor.call("nvim_command", "checkhealth midspan")
    report = "\n".join(editor.lines)
    assert "ERROR" not in report
    assert "midspan 0" in report
    assert "running for" in report
    assert "<Tab>: accept" in report


def test_a_server_that_is_killed_is_started_again(editor: Neovim) -> None:
    editor.type("jA")
    editor.until_ghost(SUGGESTED)
    children = f"/proc/{editor.pid}/task/{editor.pid}/children"
    with open(children, encoding="ascii") as file:  # noqa: PTH123  no path to keep
        server = int(file.read().split()[0])
    os.kill(server, signal.SIGKILL)
    until_message(editor, "the server ended unexpectedly and is started again")
    editor.until_lua(
        "local client = vim.lsp.get_clients({ name = 'midspan' })[1]\n"
        "return client and client.initialized and client.rpc.pid ~= ...",
        server,
    )
    editor.type("x")
    editor.until_ghost(SUGGESTED)


def test_an_engine_that_goes_away_costs_suggestions_and_nothing_else(
    editor: Neovim, engine: EngineThread
) -> None:
    engine.pause()
    editor.type("jAtext<Esc>")
    editor.until(lambda: editor.lines[1] == "    return text", "the text")
    assert "Error" not in messages(editor)
    engine.resume()
    engine.says("after()")
    editor.type(r"A<M-\>")
    editor.until_ghost("after()")
    editor.until(lambda: editor.lua(STATUSLINE) == "Midspan", "ready again")


def test_one_server_runs_though_neovim_began_in_another_project(
    start_neovim: StartNeovim, scripted_lsp: list[str], folder: Path
) -> None:
    (folder / "project" / ".git").mkdir(parents=True)
    editor = start_neovim({"cmd": scripted_lsp}, more=f"vim.cmd.cd({str(folder / 'project')!r})")
    editor.until_lua("return vim.v.vim_did_enter == 1 and vim.lsp.is_enabled('midspan')")
    editor.settled()
    editor.open(folder / "elsewhere.py", "")
    assert editor.lua("return #vim.lsp.get_clients({ name = 'midspan' })") == 1


def test_without_the_program_the_user_is_told_once_how_to_install_it(
    start_neovim: StartNeovim, folder: Path
) -> None:
    editor = start_neovim({"cmd": ["/nowhere/midspan", "lsp"]})
    for name in ("one.py", "two.py"):
        (folder / name).write_text("x\n", encoding="utf-8")
        editor.call("nvim_command", f"edit {folder / name}")
    until_message(editor, "/nowhere/midspan, which cannot be run")
    assert messages(editor).count("cannot be run") == 1
    editor.call("nvim_command", "checkhealth midspan")
    report = "\n".join(editor.lines)
    assert "ERROR" in report
    assert "pip install 'midspan[engine]'" in report


def test_the_program_is_looked_for_in_the_active_environment_then_on_the_path(
    start_neovim: StartNeovim, folder: Path
) -> None:
    for name in ("venv", "path"):
        program = folder / name / "bin" / "midspan"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n", encoding="ascii")
        program.chmod(0o755)
    editor = start_neovim(
        environment={"VIRTUAL_ENV": str(folder / "venv"), "PATH": str(folder / "path" / "bin")}
    )
    find = "require('midspan.config').get().cmd = nil\nreturn require('midspan.program').find()"
    assert editor.lua(find)["command"] == [str(folder / "venv/bin/midspan"), "lsp"]
    editor.lua("vim.env.VIRTUAL_ENV = nil")
    assert editor.lua(find)["command"] == [str(folder / "path/bin/midspan"), "lsp"]


def test_a_wrong_setting_is_named(editor: Neovim) -> None:
    setup = "return select(2, pcall(require('midspan').setup, ...))"
    assert "ghost_text.debounce" in editor.lua(setup, {"ghost_text": {"debounce": 3}})
    assert "with_menu" in editor.lua(setup, {"ghost_text": {"with_menu": "never"}})

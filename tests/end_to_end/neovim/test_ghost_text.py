"""Ghost text in real Neovim: the real server, a scripted engine."""

from __future__ import annotations

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
AFTER_RETURN = "jA"


def until_line(editor: Neovim, text: str, row: int = 1) -> None:
    editor.until(lambda: editor.lines[row] == text, f"line {text!r}")


def test_a_suggestion_is_shown_at_the_cursor_and_tab_takes_it(editor: Neovim) -> None:
    editor.type(AFTER_RETURN)
    ghost = editor.until_ghost(SUGGESTED)
    assert (ghost["row"], ghost["col"], ghost["position"]) == (1, 11, "inline")
    assert editor.lines[1] == "    return "
    editor.type("<Tab>")
    until_line(editor, "    return width * height")
    assert editor.cursor == (2, 25)
    assert editor.mode == "i"


def test_typing_what_is_suggested_shortens_it_without_a_request(
    editor: Neovim, engine: EngineThread
) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    engine.waits()
    for typed in range(1, 6):
        editor.type(SUGGESTED[typed - 1])
        editor.until_ghost(SUGGESTED[typed:])
    assert engine.count == 1


def test_a_backspace_brings_back_what_was_typed_of_it(editor: Neovim) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    editor.type("wi")
    editor.until_ghost("dth * height")
    editor.type("<BS><BS>")
    editor.until_ghost(SUGGESTED)


def test_typing_something_else_takes_it_away_at_once(editor: Neovim, engine: EngineThread) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    engine.waits()
    editor.type("x")
    until_line(editor, "    return x")
    assert editor.ghost() is None
    engine.answer(engine.request(1), "yz")
    editor.until_ghost("yz")


def test_a_request_is_cancelled_when_the_user_goes_another_way(
    editor: Neovim, engine: EngineThread
) -> None:
    engine.waits()
    editor.type(AFTER_RETURN)
    engine.request(0)
    # Not a character more: the server would wait for the same answer.
    editor.type("<BS>")
    late = engine.request(1)
    editor.until(lambda: engine.engine.cancelled, "a cancelled request")
    engine.answer(late, " width")
    editor.until_ghost(" width")


def test_a_block_is_shown_below_and_taken_whole(editor: Neovim, engine: EngineThread) -> None:
    engine.says("double = 2 * width\n    return double * height")
    editor.type("jcc")
    editor.until_ghost("double = 2 * width\n    return double * height")
    editor.type("<Tab>")
    editor.until(lambda: len(editor.lines) == 3, "the block")
    assert editor.lines[1:] == ["    double = 2 * width", "    return double * height"]
    assert editor.cursor == (3, 26)


def test_closers_behind_the_cursor_stay_there(editor: Neovim, engine: EngineThread) -> None:
    engine.says("width")
    editor.type("jAabs()<Left>")
    editor.until_ghost("width")
    editor.type("<Tab>")
    until_line(editor, "    return abs(width)")
    assert editor.cursor == (2, 20)


def test_a_word_and_then_a_line_of_it_are_taken(editor: Neovim, engine: EngineThread) -> None:
    engine.says("size = 2 * width\n    if size:\n        return size")
    editor.type("jcc")
    editor.until_ghost("size = 2 * width\n    if size:\n        return size")
    editor.type("<M-Right>")
    until_line(editor, "    size")
    editor.until_ghost(" = 2 * width\n    if size:\n        return size")
    editor.type("<M-Right>")
    until_line(editor, "    size =")
    editor.type("<M-C-Right>")
    until_line(editor, "    size = 2 * width")
    editor.until_ghost("\n    if size:\n        return size")
    editor.type("<M-C-Right>")
    editor.until(lambda: editor.lines[2:] == ["    if size:"], "the second line")
    editor.until_ghost("\n        return size")
    assert engine.count == 1


def test_alternatives_are_asked_for_by_hand_and_turned_through(
    editor: Neovim, engine: EngineThread
) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    engine.says("first", "second", "third")
    editor.type("<M-]>")
    assert editor.until_ghost("first")["hint"] == " (2/4)"
    editor.type("<M-]>")
    editor.until_ghost("second")
    editor.type("<M-[><M-[>")
    editor.until_ghost(SUGGESTED)
    editor.type("<M-[>")
    editor.until_ghost("third")
    editor.type("<Tab>")
    until_line(editor, "    return third")


def test_dismissed_is_gone_until_something_is_typed(editor: Neovim, engine: EngineThread) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    editor.type("<C-]>")
    editor.until_no_ghost()
    editor.settled()
    assert editor.ghost() is None
    assert engine.count == 1
    editor.type("w")
    editor.until_ghost("idth * height")


def test_leaving_insert_mode_takes_it_away(editor: Neovim) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    editor.type("<Esc>")
    editor.until_no_ghost()
    assert editor.lines[1] == "    return "


def test_by_hand_it_comes_where_nothing_comes_by_itself(
    editor: Neovim, engine: EngineThread
) -> None:
    engine.says("x")
    editor.type("jI")
    editor.settled()
    assert engine.count == 0
    editor.type(r"<M-\>")
    editor.until_ghost("x")


def test_one_undo_takes_back_what_was_accepted_and_no_more(editor: Neovim) -> None:
    editor.type("ja<Del><Esc>A 1 + ")
    editor.until_ghost(SUGGESTED)
    typed = editor.lines[1]
    editor.type("<Tab>")
    until_line(editor, typed + SUGGESTED)
    editor.type(" + 2<Esc>")
    until_line(editor, typed + SUGGESTED + " + 2")
    editor.type("u")
    until_line(editor, typed + SUGGESTED)
    editor.type("u")
    until_line(editor, typed)
    editor.type("<C-r>")
    until_line(editor, typed + SUGGESTED)


def test_the_dot_repeats_what_was_typed_and_what_was_accepted(
    editor: Neovim, engine: EngineThread
) -> None:
    editor.type(AFTER_RETURN + "1 + ")
    editor.until_ghost(SUGGESTED)
    editor.type("<Tab>")
    until_line(editor, "    return 1 + " + SUGGESTED)
    engine.says("")
    editor.type(" + 2<Esc>k.")
    until_line(editor, "def area(width, height):1 + " + SUGGESTED + " + 2", 0)


def test_a_macro_does_the_same_each_time(editor: Neovim, engine: EngineThread) -> None:
    editor.type("qqjA<Tab>x<Esc>q")
    until_line(editor, "    return  x")
    assert engine.count == 0
    editor.type("uk@q")
    until_line(editor, "    return  x")


def test_tab_is_a_tab_where_nothing_is_shown(editor: Neovim, engine: EngineThread) -> None:
    engine.says("")
    editor.type(AFTER_RETURN + "a<Tab>b")
    until_line(editor, "    return a    b")


def test_tab_still_expands_abbreviations_where_it_did(
    engine: EngineThread, start_neovim: StartNeovim, folder: Path
) -> None:
    # Neovim's own mapping of Tab keeps it from doing so; without that it does.
    engine.says("")
    editor = start_neovim(more="vim.keymap.del('i', '<Tab>')")
    editor.open(folder / "abbreviations.py", "x\n")
    editor.call("nvim_command", "inoreabbrev foo bar")
    editor.type("cc(foo<Tab>)")
    until_line(editor, "(bar    )", 0)


def test_tab_still_does_what_the_user_mapped_it_to(
    engine: EngineThread, start_neovim: StartNeovim, folder: Path
) -> None:
    engine.says(SUGGESTED)
    mine = "function() return vim.g.mine and 'mine' or '<C-n>' end"
    editor = start_neovim(more=f"vim.keymap.set('i', '<Tab>', {mine}, {{ expr = true }})")
    editor.open(folder / "mapped.py", "def area(width):\n    return \n")
    editor.lua("vim.g.mine = true")
    editor.type("O<Tab>")
    until_line(editor, "mine", 0)
    editor.type("<Esc>2jA")
    editor.until_ghost(SUGGESTED)
    editor.type("<Tab>")
    until_line(editor, "    return " + SUGGESTED, 2)


def test_tab_still_jumps_in_a_snippet(editor: Neovim, engine: EngineThread) -> None:
    engine.says("")
    editor.type(AFTER_RETURN)
    editor.lua("vim.snippet.expand('f(${1:a}, ${2:b})')")
    editor.until(lambda: editor.mode == "s", "select mode")
    editor.type("x<Tab>")
    editor.until(lambda: editor.mode == "s" and editor.lines[1] == "    return f(x, b)", "a jump")
    editor.type("y")
    until_line(editor, "    return f(x, y)")


def test_a_paste_goes_in_as_it_is(editor: Neovim) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    editor.call("nvim_paste", "one(\n  two,\n)", True, -1)
    editor.until(lambda: editor.lines[1:] == ["    return one(", "  two,", ")"], "the paste")
    ghost = editor.ghost()
    assert ghost is None or ghost["row"] == 3


def test_a_window_on_the_same_buffer_does_not_disturb(editor: Neovim) -> None:
    editor.type(":vsplit<CR>" + AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    only = editor.lua(
        "return vim.api.nvim__ns_get(vim.api.nvim_create_namespace('midspan.ghost_text')).wins"
        " or {}"
    )
    assert only == [editor.lua("return vim.api.nvim_get_current_win()")]
    editor.type("<Tab>")
    until_line(editor, "    return " + SUGGESTED)
    other = editor.lua("return vim.api.nvim_win_get_cursor(vim.fn.win_getid(vim.fn.winnr('#')))")
    assert other == [1, 0]


def test_an_edit_elsewhere_in_the_buffer_ends_it(editor: Neovim, engine: EngineThread) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    engine.waits()
    # As another plugin may do; no key is pressed.
    editor.call("nvim_buf_set_lines", 0, 0, 0, True, ["import math"])
    assert editor.ghost() is None


def test_it_is_hidden_while_a_menu_is_open_and_back_afterwards(editor: Neovim) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    editor.call("nvim_command", "set completeopt=menuone,noinsert,noselect")
    editor.type("<C-r>=complete(col('.'), ['one', 'two'])[1:0]<CR>")
    editor.until_lua("return vim.fn.pumvisible() == 1")
    editor.until_no_ghost()
    editor.type("<C-e>")
    editor.until_lua("return vim.fn.pumvisible() == 0")
    editor.until_ghost(SUGGESTED)


def test_beside_a_menu_it_is_shown_if_the_user_says_so(
    editor: Neovim,
) -> None:
    editor.lua("require('midspan.config').get().ghost_text.with_menu = 'show'")
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    editor.call("nvim_command", "set completeopt=menuone,noinsert,noselect")
    editor.type("<C-r>=complete(col('.'), ['one', 'two'])[1:0]<CR>")
    editor.until_lua("return vim.fn.pumvisible() == 1")
    editor.until_ghost(SUGGESTED)
    editor.lua("require('midspan.config').get().ghost_text.with_menu = 'hide'")


@pytest.mark.parametrize(("module", "ask"), [("blink.cmp", "is_menu_visible"), ("cmp", "visible")])
def test_the_menus_of_other_plugins_hide_it_too(editor: Neovim, module: str, ask: str) -> None:
    editor.lua(
        "package.loaded[...] = { [select(2, ...)] = function() return true end }", module, ask
    )
    editor.type(AFTER_RETURN)
    editor.settled()
    assert editor.ghost() is None
    editor.lua("package.loaded[...] = nil", module)
    editor.lua("vim.api.nvim_exec_autocmds('User', { pattern = 'BlinkCmpMenuClose' })")
    editor.until_ghost(SUGGESTED)


def test_the_server_is_told_what_was_shown_and_taken(editor: Neovim, folder: Path) -> None:
    editor.type(AFTER_RETURN)
    editor.until_ghost(SUGGESTED)
    editor.type("<M-Right>")
    editor.until_ghost(" * height")
    editor.type("<Tab>")
    until_line(editor, "    return " + SUGGESTED)
    counted = folder / "state" / "counters.jsonl"

    def outcomes() -> list[str]:
        lines = counted.read_text().splitlines() if counted.exists() else []
        return [line.split('"outcome":"')[1].split('"')[0] for line in lines][-4:]

    editor.until(
        lambda: outcomes() == ["offered", "shown", "partly_accepted", "accepted"], "counters"
    )
    assert '"accepted_characters":5' in counted.read_text()

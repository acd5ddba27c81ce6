"""What the plugin asks of Neovim 0.12's own ghost text.

0.12 itself does not run here: `vim.lsp.inline_completion` is a stand-in with the documented calls.
This shows what the plugin does with them, and not that Neovim does what is documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.end_to_end.neovim.neovim_driver import Neovim

    StartNeovim = Callable[..., Neovim]

pytestmark = pytest.mark.slow

_STAND_IN = """
_G.calls = {}
local function note(name)
  return function(...) table.insert(_G.calls, { name, ... }) end
end
vim.lsp.inline_completion = {
  enable = note('enable'),
  select = note('select'),
  get = function(opts)
    if not _G.item then return false end
    local item = vim.deepcopy(_G.item)
    item.range = { to_extmark = function() return 0, 0 end }
    vim.schedule(function()
      local result = opts.on_accept(item)
      _G.accepted = { result.insert_text, result.command ~= nil }
    end)
    return true
  end,
}
"""


@pytest.fixture(scope="module")
def builtin(start_neovim: StartNeovim, scripted_lsp: list[str], folder: Path) -> Neovim:
    editor = start_neovim({"cmd": scripted_lsp}, more=_STAND_IN)
    editor.open(folder / "builtin.py", "wi\n")
    editor.lua(
        "_G.item = { insert_text = 'width * height', client_id = "
        "vim.lsp.get_clients({ name = 'midspan' })[1].id, "
        "command = { title = '', command = 'midspan.accept', arguments = { 'one' } } }"
    )
    return editor


def calls(editor: Neovim, name: str) -> list[Any]:
    return [call[1:] for call in editor.lua("return _G.calls") if call[0] == name]


def test_it_is_switched_on_for_each_buffer_and_off_by_the_command(builtin: Neovim) -> None:
    bufnr = builtin.lua("return vim.api.nvim_get_current_buf()")
    builtin.until(lambda: calls(builtin, "enable")[-1:] == [[True, {"bufnr": bufnr}]], "on")
    builtin.call("nvim_command", "Midspan disable")
    assert calls(builtin, "enable")[-1] == [False, {"bufnr": bufnr}]
    builtin.call("nvim_command", "Midspan enable")
    assert calls(builtin, "enable")[-1] == [True, {"bufnr": bufnr}]


def test_the_plugin_draws_nothing_beside_it(builtin: Neovim) -> None:
    builtin.type("<Esc>A")
    builtin.settled()
    assert builtin.ghost() is None
    asked = builtin.lua(
        "return vim.lsp.get_clients({ name = 'midspan' })[1]"
        ":request_sync('test/log', {}, 10000).result"
    )
    assert not [one for one in asked if one["method"] == "textDocument/inlineCompletion"]


@pytest.mark.parametrize(
    ("keys", "accepted"),
    [("<Tab>", ["width * height", True]), ("<M-Right>", ["width", False])],
)
def test_all_or_a_word_of_its_item_is_accepted(
    builtin: Neovim, keys: str, accepted: list[Any]
) -> None:
    builtin.type("<Esc>A" + keys)
    builtin.until(lambda: builtin.lua("return _G.accepted") == accepted, "the item")


def test_tab_is_a_tab_where_it_has_nothing(builtin: Neovim) -> None:
    item = builtin.lua("local item = _G.item\n_G.item = nil\nreturn item")
    builtin.type("<Esc>A<Tab>x")
    builtin.until(lambda: builtin.lines[0].endswith(" x"), "blanks")
    builtin.lua("_G.item = ...", item)


def test_alternatives_are_selected_by_it(builtin: Neovim) -> None:
    builtin.type("<Esc>A<M-]><M-[>")
    builtin.until(lambda: calls(builtin, "select") == [[{"count": 1}], [{"count": -1}]], "both")

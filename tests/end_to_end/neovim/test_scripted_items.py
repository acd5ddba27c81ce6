"""Ghost text from items that the scripted server answers: ranges, encodings, tabs, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.end_to_end.neovim.neovim_driver import Neovim

    StartNeovim = Callable[..., Neovim]

pytestmark = pytest.mark.slow

METHOD = "textDocument/inlineCompletion"


@pytest.fixture(scope="module")
def scripted(start_neovim: StartNeovim, scripted_lsp: list[str], folder: Path) -> Neovim:
    editor = start_neovim({"cmd": scripted_lsp})
    editor.open(folder / "scripted.py", "")
    return editor


@pytest.fixture
def fresh(scripted: Neovim) -> Neovim:
    scripted.type("<C-\\><C-n>")
    scripted.until(lambda: scripted.mode == "n", "normal mode")
    script(scripted, "test/release", {"method": METHOD})
    scripted.call("nvim_buf_set_lines", 0, 0, -1, True, [""])
    return scripted


def script(editor: Neovim, method: str, params: dict[str, Any]) -> None:
    editor.lua(
        "local client = vim.lsp.get_clients({ name = 'midspan' })[1]\nclient:notify(...)",
        method,
        params,
    )


def received(editor: Neovim) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = editor.lua(
        "local client = vim.lsp.get_clients({ name = 'midspan' })[1]\n"
        "return client:request_sync('test/log', {}, 10000).result"
    )
    return log


def answer(editor: Neovim, *items: dict[str, Any]) -> None:
    script(editor, "test/answer", {"method": METHOD, "result": {"items": list(items)}})


def item(text: str, **more: Any) -> dict[str, Any]:
    command = {"title": "accepted", "command": "midspan.accept", "arguments": [text[:20]]}
    return {"insertText": text, "command": command} | more


def span(start: int, end: int, line: int = 0) -> dict[str, Any]:
    return {
        "start": {"line": line, "character": start},
        "end": {"line": line, "character": end},
    }


def test_units_of_utf16_are_not_bytes(fresh: Neovim) -> None:
    answer(fresh, item("ö😀ü = größe", range=span(0, 4)))
    fresh.type("aö😀ü")
    ghost = fresh.until_ghost(" = größe")
    assert ghost["col"] == len("ö😀ü".encode())
    fresh.type("<M-Right>")
    fresh.until_ghost(" größe")
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.lines == ["ö😀ü = größe"], "all of it")

    def told() -> list[Any]:
        return [
            one["params"]["arguments"]
            for one in received(fresh)
            if one["params"].get("command") == "midspan.acceptPartial"
        ]

    assert fresh.until(told, "the part that was accepted") == [["ö😀ü = größe", 2]]


def test_a_key_asks_without_the_pause_that_a_moved_cursor_has(fresh: Neovim) -> None:
    fresh.lua("require('midspan.config').get().ghost_text.moved_debounce_ms = 1000000")
    answer(fresh, item("soon"))
    fresh.type("ab")
    fresh.until_ghost("soon")
    # One by one: keys that come together are one change, which is asked about at once.
    fresh.type("c")
    fresh.settled()
    fresh.until_ghost("soon")
    fresh.type("<Left>")
    fresh.settled()
    fresh.until_no_ghost()
    asked = _asked(fresh)
    fresh.lua("require('midspan.config').get().ghost_text.moved_debounce_ms = 1")
    fresh.type("<Left>")
    fresh.until_ghost("soon")
    assert _asked(fresh) == asked + 1


def test_tabs_are_drawn_as_blanks_and_inserted_as_tabs(fresh: Neovim) -> None:
    answer(fresh, item("a\tb\n\tc"))
    fresh.lua("vim.bo.tabstop = 4")
    fresh.type("ax")
    fresh.until_ghost("a  b\n    c")
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.lines == ["xa\tb", "\tc"], "tabs")


def test_an_item_that_replaces_a_closer_goes_in_front_of_it(fresh: Neovim) -> None:
    fresh.type("af()<Left>")
    fresh.settled()
    answer(fresh, item("x)", range=span(3, 4)))
    fresh.type("y")
    fresh.until_ghost("x")
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.lines == ["f(yx)"], "one closer")


@pytest.mark.parametrize(
    "broken",
    [
        item("other", range=span(0, 1)),
        item("x", range=span(0, 0, line=3)),
        item("", range=span(1, 1)),
        item("zz", range=span(0, 2)),
        {"insertText": {"kind": "snippet", "value": "f($1)"}},
    ],
)
def test_what_cannot_be_drawn_as_text_at_the_cursor_is_left_out(
    fresh: Neovim, broken: dict[str, Any]
) -> None:
    answer(fresh, broken, item("good"))
    fresh.type("ax")
    fresh.until_ghost("good")


def test_several_lines_in_front_of_a_rest_take_it_to_their_end(fresh: Neovim) -> None:
    answer(fresh, item("a,\n  b"))
    fresh.type("af()<Left>")
    ghost = fresh.until_ghost("a,\n  b)")
    assert ghost["position"] == "overlay"


def test_lines_below_the_window_are_counted_in_a_hint(fresh: Neovim) -> None:
    answer(fresh, item("a\nb\nc"))
    rows = fresh.lua("return vim.api.nvim_win_get_height(0)")
    fresh.call("nvim_buf_set_lines", 0, 0, -1, True, [f"{row}" for row in range(rows)])
    fresh.type("GA")
    assert fresh.until_ghost("a\nb\nc")["hint"] == " ↵ +2"


def test_an_answer_to_an_older_version_is_never_shown(fresh: Neovim) -> None:
    answer(fresh, item("late"))
    script(fresh, "test/hold", {"method": METHOD})
    fresh.type("ax")
    fresh.until(lambda: _asked(fresh) >= 1, "a request")
    fresh.lua("vim.api.nvim_buf_set_text(0, 0, 0, 0, 0, { 'y' })")
    answer(fresh)
    script(fresh, "test/release", {"method": METHOD})
    fresh.settled()
    received(fresh)
    assert fresh.ghost() is None


def _asked(editor: Neovim) -> int:
    return sum(one["method"] == METHOD for one in received(editor))


# What happens between a request and its answer: keys, or a change that no key makes.
_KEYS = st.sampled_from(
    [
        "a",
        "b",
        " ",
        "<CR>",
        "<BS>",
        "<Left>",
        "<Right>",
        "<Up>",
        "<C-w>",
        "<Esc>u",
        "<Esc>a",
        "<Tab>",
    ]
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("keys"), _KEYS),
        st.tuples(st.just("change"), st.sampled_from(["", "x", "long\nlines"])),
        st.tuples(st.just("late"), st.sampled_from(["x", "long\nlines"])),
        st.tuples(st.just("answer"), st.sampled_from(["ab", "b a", "a\nb"])),
        st.tuples(st.just("wait"), st.just("")),
        st.tuples(st.just("hold"), st.just("")),
        st.tuples(st.just("release"), st.just("")),
    ),
    min_size=3,
    max_size=16,
)

# Records, inside every redraw and whenever the test looks, marks that do not belong to the text.
_WATCH = """
local ghost, suggestions = require('midspan.ghost_text'), require('midspan.suggestions')
_G.wrong, _G.drawn, _G.looks, _G.shows = {}, {}, 0, 0
local client = vim.lsp.get_clients({ name = 'midspan' })[1]
local request, answering = client.request, nil
client.request = function(self, method, params, handler, bufnr)
  if method ~= 'textDocument/inlineCompletion' then
    return request(self, method, params, handler, bufnr)
  end
  local lines = vim.api.nvim_buf_get_lines(0, 0, -1, true)
  return request(self, method, params, function(...)
    answering = lines
    handler(...)
    answering = nil
  end, bufnr)
end
local show = ghost.show
ghost.show = function(shown)
  show(shown)
  _G.shows = _G.shows + 1
  local lines = vim.api.nvim_buf_get_lines(shown.bufnr, 0, -1, true)
  if answering and not vim.deep_equal(answering, lines) then
    table.insert(_G.wrong, { 'late answer', answering, lines })
  end
  _G.drawn = { vim.api.nvim_buf_get_lines(shown.bufnr, 0, -1, true), shown }
end
function _G.look()
  _G.looks = _G.looks + 1
  local marks = vim.api.nvim_buf_get_extmarks(0, ghost.namespace, 0, -1, {})
  if #marks > 0 and not vim.deep_equal(_G.drawn[1], vim.api.nvim_buf_get_lines(0, 0, -1, true)) then
    table.insert(_G.wrong, { 'text', _G.drawn, vim.api.nvim_buf_get_lines(0, 0, -1, true) })
  end
  if #marks > 0 and not vim.startswith(vim.api.nvim_get_mode().mode, 'i') then
    table.insert(_G.wrong, { 'mode', vim.api.nvim_get_mode().mode })
  end
end
vim.api.nvim_set_decoration_provider(vim.api.nvim_create_namespace('watch'), {
  on_start = function() _G.look() return false end,
})
vim.api.nvim_buf_attach(0, false, { on_lines = function() vim.schedule(_G.look) end })
"""


# In one piece, before Neovim tells anybody that the text changed.
_CHANGE = """
vim.api.nvim_buf_set_text(0, 0, 0, 0, 0, (...))
"""
_RELEASE = """
local client = vim.lsp.get_clients({ name = 'midspan' })[1]
client:notify('test/release', { method = select(2, ...) })
client:request_sync('test/log', {}, 10000)
"""
_COUNT = """
local namespace = require('midspan.ghost_text').namespace
return #vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, {})
"""


def test_it_is_gone_before_anybody_hears_of_the_change(fresh: Neovim) -> None:
    answer(fresh, item("soon"))
    fresh.type("ab")
    fresh.until_ghost("soon")
    assert fresh.lua(_COUNT) == 1
    assert fresh.lua(_CHANGE + _COUNT, ["x"]) == 0


def test_an_answer_between_a_change_and_its_event_is_not_shown(fresh: Neovim) -> None:
    answer(fresh, item("late"))
    script(fresh, "test/hold", {"method": METHOD})
    fresh.type("ab")
    asked = _asked(fresh)
    fresh.type("c")
    fresh.until(lambda: _asked(fresh) > asked, "a request")
    # The cursor stays, so that only the version tells.
    change = "vim.api.nvim_buf_set_text(0, 0, 0, 0, 1, (...))\n"
    assert fresh.lua(change + _RELEASE + _COUNT, ["x"], METHOD) == 0


def test_nothing_is_ever_shown_on_a_changed_version(fresh: Neovim) -> None:
    fresh.lua(_WATCH)
    fresh.call("nvim_ui_attach", 60, 20, {"ext_linegrid": True})

    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(_STEPS)
    @example([("keys", "<Esc>u"), ("keys", "<C-w>"), ("keys", "a")])
    def run(steps: list[tuple[str, str]]) -> None:
        answer(fresh, item("ab"), item("ba"))
        fresh.type("<C-\\><C-n>ggdGa")
        for kind, what in steps:
            _step(fresh, kind, what)
            fresh.lua("_G.look()")
        script(fresh, "test/release", {"method": METHOD})
        fresh.lua("_G.look()")
        assert fresh.lua("return _G.wrong") == []

    run()
    assert fresh.lua("return _G.looks") > 1000
    assert fresh.lua("return _G.shows") > 20
    fresh.call("nvim_ui_detach")


def _step(editor: Neovim, kind: str, what: str) -> None:
    if kind == "keys":
        # In normal mode it waits for a second key, and Neovim answers no call meanwhile.
        if what != "<C-w>" or editor.mode == "i":
            editor.type(what)
    elif kind == "change":
        editor.lua(_CHANGE + "vim.cmd.redraw()\n_G.look()", what.split("\n"))
    elif kind == "late":
        editor.lua(_CHANGE + _RELEASE + "_G.look()", what.split("\n"), METHOD)
    elif kind == "wait":
        editor.settled()
        received(editor)
    elif kind == "answer":
        answer(editor, item(what), item(what + "c"))
    else:
        script(editor, f"test/{kind}", {"method": METHOD})

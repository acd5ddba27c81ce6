"""Next edits in real Neovim, driven by a scripted server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.end_to_end.neovim.neovim_driver import Neovim

    StartNeovim = Callable[..., Neovim]

pytestmark = pytest.mark.slow

REQUEST = "midspan/nextEdit"
TEXT = ["def area(width):", "    return width", "", "print(area(1))", "print(area(2))"]

_MARKS = """
local namespace = vim.api.nvim_create_namespace('midspan.next_edit')
local seen = { gone = {}, comes = {}, sign = vim.NIL, hint = vim.NIL }
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
  local _, row, col, details = unpack(mark)
  if details.hl_group == 'MidspanNextEditDelete' then
    local text = vim.api.nvim_buf_get_text(0, row, col, details.end_row, details.end_col, {})
    seen.gone[#seen.gone + 1] = { row, col, table.concat(text, '\\n') }
  end
  for _, line in ipairs(details.virt_lines or {}) do
    seen.comes[#seen.comes + 1] = { row, line[1][1] }
  end
  if details.virt_text and details.virt_text_pos == 'inline' then
    seen.comes[#seen.comes + 1] = { row, col, details.virt_text[1][1] }
  elseif details.virt_text then
    seen.hint = vim.trim(details.virt_text[1][1])
  end
  if details.sign_text then seen.sign = { row, vim.trim(details.sign_text) } end
end
return seen
"""

_CLIENT = "local client = vim.lsp.get_clients({ name = 'midspan' })[1]\n"


@pytest.fixture(scope="module")
def scripted(start_neovim: StartNeovim, scripted_lsp: list[str], folder: Path) -> Neovim:
    editor = start_neovim({"cmd": scripted_lsp, "next_edit": {"on_save": True}})
    editor.open(folder / "edits.py", "\n")
    return editor


@pytest.fixture
def fresh(scripted: Neovim) -> Neovim:
    scripted.type("<C-\\><C-n>")
    scripted.until(lambda: scripted.mode == "n", "normal mode")
    scripted.lua("require('midspan.next_edit').forget_all()")
    script(scripted, "test/release", {"method": REQUEST})
    scripted.call("nvim_buf_set_lines", 0, 0, -1, True, TEXT)
    scripted.call("nvim_win_set_cursor", 0, [1, 0])
    scripted.settled()
    return scripted


def script(editor: Neovim, method: str, params: dict[str, Any]) -> None:
    editor.lua(f"{_CLIENT}client:notify(...)", method, params)


def received(editor: Neovim, method: str) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = editor.lua(
        f"{_CLIENT}return client:request_sync('test/log', {{}}, 10000).result"
    )
    return [one["params"] for one in log if one["method"] == method]


def events(editor: Neovim, name: str) -> list[str]:
    happened = received(editor, "midspan/nextEditEvent")
    return [str(one["kind"]) for one in happened if one["id"] == name]


def edit(
    editor: Neovim, name: str, at: tuple[int, int, int, int], new: str, **more: Any
) -> dict[str, Any]:
    uri, version = editor.lua(
        "return { vim.uri_from_bufnr(0), vim.lsp.util.buf_versions[vim.fn.bufnr()] }"
    )
    return {
        "id": name,
        "textDocument": {"uri": uri, "version": version},
        "range": {
            "start": {"line": at[0], "character": at[1]},
            "end": {"line": at[2], "character": at[3]},
        },
        "newText": new,
    } | more


def answer(editor: Neovim, *edits: dict[str, Any]) -> None:
    script(editor, "test/answer", {"method": REQUEST, "result": {"edits": list(edits)}})


def marks(editor: Neovim) -> dict[str, Any]:
    seen: dict[str, Any] = editor.lua(_MARKS)
    return seen


def until_shown(editor: Neovim) -> dict[str, Any]:
    editor.until(lambda: marks(editor)["sign"], "a next edit")
    return marks(editor)


def until_nothing(editor: Neovim) -> None:
    editor.until(lambda: not marks(editor)["sign"], "no next edit")


def ask(editor: Neovim) -> None:
    editor.type(":Midspan next-edit<CR>")


def test_what_goes_and_what_comes_is_shown_with_a_sign(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "shown", (3, 11, 3, 12), "1, 2"))
    ask(fresh)
    seen = until_shown(fresh)
    assert seen["comes"] == [[3, 12, ", 2"]]
    assert (seen["gone"], seen["sign"], seen["hint"]) == ([], [3, "»"], None)
    asked = received(fresh, REQUEST)[-1]
    assert asked["reason"] == "manual"
    assert asked["position"] == {"line": 0, "character": 0}
    assert events(fresh, "shown") == ["shown"]


def test_tab_goes_there_and_tab_again_accepts_it_and_asks_on(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "taken", (3, 6, 3, 10), "size"))
    ask(fresh)
    seen = until_shown(fresh)
    assert seen["gone"] == [[3, 6, "area"]]
    assert seen["comes"] == [[3, 10, "size"]]
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.cursor == (4, 6), "the jump")
    answer(fresh)
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.lines[3] == "print(size(1))", "the edit")
    until_nothing(fresh)
    fresh.until(lambda: received(fresh, REQUEST)[-1]["reason"] == "accepted", "the next request")
    assert events(fresh, "taken") == ["shown", "jumped", "accepted"]
    fresh.type("u")
    fresh.until(lambda: fresh.lines == TEXT, "one undo")


def test_the_one_after_is_there_when_the_first_is_accepted(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "first", (3, 6, 3, 10), "size"))
    ask(fresh)
    until_shown(fresh)
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.cursor == (4, 6), "the jump")
    second = edit(fresh, "second", (4, 6, 4, 10), "size")
    second["textDocument"]["version"] = None
    answer(fresh, second)
    fresh.type("<Tab>")
    fresh.until(lambda: marks(fresh)["sign"] == [4, "»"], "the second")
    assert fresh.lines[3] == "print(size(1))"


def test_escape_dismisses_it_and_shows_the_next_best(fresh: Neovim) -> None:
    answer(
        fresh,
        edit(fresh, "worse", (3, 6, 3, 10), "size"),
        edit(fresh, "better", (4, 6, 4, 10), "size"),
    )
    ask(fresh)
    until_shown(fresh)
    fresh.type("<Esc>")
    fresh.until(lambda: marks(fresh)["sign"] == [4, "»"], "the second")
    fresh.type("<Esc>")
    until_nothing(fresh)
    assert events(fresh, "worse") == ["shown", "dismissed"]


def test_tab_keeps_its_meaning_where_there_is_none(fresh: Neovim) -> None:
    answer(fresh)
    fresh.type("Ggg<C-o>")
    fresh.until(lambda: fresh.cursor[0] == 5, "back in the jump list")
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.cursor[0] == 1, "forth in the jump list")


def test_lines_that_come_are_shown_below_what_they_replace(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "lines", (1, 4, 1, 16), "half = width / 2\n    return half"))
    ask(fresh)
    seen = until_shown(fresh)
    assert [line for _, line in seen["comes"]][-1] == "    return half"
    assert seen["comes"][0][0] == 1
    fresh.type("<Tab><Tab>")
    fresh.until(lambda: fresh.lines[1:3] == ["    half = width / 2", "    return half"], "both")


def test_a_whole_line_that_goes_is_struck_out(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "gone", (3, 0, 4, 0), ""))
    ask(fresh)
    assert until_shown(fresh)["gone"][0][2].strip("\n") in {"print(area(1))", "(1))\nprint(area"}
    fresh.type("<Tab><Tab>")
    fresh.until(lambda: fresh.lines == [*TEXT[:3], TEXT[4]], "the line gone")


def test_typing_above_moves_it(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "moved", (3, 6, 3, 10), "size"))
    ask(fresh)
    until_shown(fresh)
    fresh.type("Oimport math<CR><Esc>")
    fresh.until(lambda: marks(fresh)["sign"] == [5, "»"], "two lines further down")
    fresh.type("<Tab><Tab>")
    fresh.until(lambda: fresh.lines[5] == "print(size(1))", "the edit")


def test_doing_a_part_of_it_by_hand_leaves_the_rest(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "part", (3, 11, 3, 12), "1, height=2"))
    ask(fresh)
    until_shown(fresh)
    fresh.type("3jf1a, he")
    fresh.until(lambda: marks(fresh)["comes"] == [[3, 16, "ight=2"]], "the rest")
    fresh.type("ight=2")
    until_nothing(fresh)
    assert events(fresh, "part")[-1] == "stale"


def test_an_edit_that_no_longer_fits_is_dropped(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "dropped", (3, 6, 3, 10), "size"))
    ask(fresh)
    until_shown(fresh)
    fresh.type("3jfeiX")
    until_nothing(fresh)
    assert events(fresh, "dropped") == ["shown", "stale"]


def test_an_answer_is_carried_through_what_was_typed_since_the_request(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "late", (3, 6, 3, 10), "size"))
    script(fresh, "test/hold", {"method": REQUEST})
    ask(fresh)
    fresh.until(lambda: fresh.lua("return vim.fn.mode()") == "n", "normal mode")
    fresh.type("Onew<Esc>")
    fresh.until(lambda: len(fresh.lines) == 6, "a new line")
    script(fresh, "test/release", {"method": REQUEST})
    assert until_shown(fresh)["gone"] == [[4, 6, "area"]]


def test_a_pushed_edit_of_an_older_version_is_dropped(fresh: Neovim) -> None:
    old = edit(fresh, "old", (3, 6, 3, 10), "size")
    fresh.type("Onew<Esc>")
    fresh.until(lambda: len(fresh.lines) == 6, "a new line")
    script(fresh, "test/push", {"method": "midspan/nextEdits", "params": {"edits": [old]}})
    fresh.until(lambda: events(fresh, "old") == ["stale"], "the event")
    assert not marks(fresh)["sign"]


def test_the_server_shows_and_clears_by_itself(fresh: Neovim) -> None:
    pushed = edit(fresh, "pushed", (3, 6, 3, 10), "größe")
    script(fresh, "test/push", {"method": "midspan/nextEdits", "params": {"edits": [pushed]}})
    assert until_shown(fresh)["comes"] == [[3, 10, "größe"]]
    script(fresh, "test/push", {"method": "midspan/nextEdits", "params": {"edits": []}})
    until_nothing(fresh)


def test_saving_asks_where_the_user_wants_that(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "saved", (3, 6, 3, 10), "size"))
    fresh.type(":silent write<CR>")
    until_shown(fresh)
    assert received(fresh, REQUEST)[-1]["reason"] == "save"


def test_out_of_sight_a_hint_says_where_it_is(fresh: Neovim) -> None:
    fresh.call("nvim_buf_set_lines", 0, 3, 3, True, ["#"] * 100)
    fresh.settled()
    answer(fresh, edit(fresh, "far", (103, 6, 103, 10), "size", label="rename"))
    ask(fresh)
    until_shown(fresh)
    assert marks(fresh)["hint"] == "next edit: ↓ line 104 (rename)"
    fresh.type("<Tab>")
    fresh.until(lambda: marks(fresh)["hint"] is None, "it is in sight")
    assert fresh.cursor == (104, 6)


def test_in_insert_mode_tab_does_the_same(fresh: Neovim) -> None:
    answer(fresh, edit(fresh, "typing", (3, 6, 3, 10), "size"))
    ask(fresh)
    until_shown(fresh)
    fresh.type("i<Tab>")
    fresh.until(lambda: fresh.cursor == (4, 6), "the jump")
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.lines[3] == "print(size(1))", "the edit")
    assert fresh.mode == "i"


def test_an_edit_of_another_file_opens_it(fresh: Neovim, folder: Path) -> None:
    other = folder / "other.py"
    other.write_text("x = 1\n", encoding="utf-8")
    elsewhere = edit(fresh, "other", (0, 4, 0, 5), "2")
    elsewhere["textDocument"] = {"uri": other.as_uri(), "version": None}
    answer(fresh, elsewhere)
    ask(fresh)
    fresh.until(lambda: marks(fresh)["hint"] == "next edit: other.py line 1", "the hint")
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.lines == ["x = 1"], "the other file")
    fresh.type("<Tab>")
    fresh.until(lambda: fresh.lines == ["x = 2"], "the edit")
    fresh.type(":silent write | edit #<CR>")
    fresh.until(lambda: fresh.lines == TEXT, "back")


def test_accepting_from_another_file_asks_on_where_the_edit_was(
    fresh: Neovim, folder: Path
) -> None:
    other = folder / "unseen.py"
    fresh.open(other, "größe = 1\n")
    # Without a workspace each file has a server of its own; here one serves both.
    fresh.lua(f"{_CLIENT}vim.lsp.buf_attach_client(0, client.id)")
    elsewhere = edit(fresh, "unseen", (0, 8, 0, 9), "2")
    fresh.type(":buffer edits.py<CR>")
    fresh.until(lambda: fresh.lines == TEXT, "back")
    answer(fresh, elsewhere)
    ask(fresh)
    fresh.until(lambda: marks(fresh)["hint"] == "next edit: unseen.py line 1", "the hint")
    fresh.type(":Midspan next-edit accept<CR>")
    fresh.until(lambda: received(fresh, REQUEST)[-1]["reason"] == "accepted", "the next request")
    asked = received(fresh, REQUEST)[-1]
    assert asked["textDocument"]["uri"] == other.as_uri()
    assert asked["textDocument"]["version"] > elsewhere["textDocument"]["version"]
    assert asked["position"] == {"line": 0, "character": 9}
    assert fresh.lines == TEXT
    fresh.type(":bwipeout! unseen.py<CR>")

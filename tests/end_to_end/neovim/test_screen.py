"""What a person sees: every frame that Neovim draws, and a real terminal by tmux."""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.end_to_end.neovim.conftest import EngineThread
    from tests.end_to_end.neovim.neovim_driver import Neovim

pytestmark = pytest.mark.slow

SUGGESTED = "width * height"
_PATIENCE_S = 20.0
_CAPTURES = Path(__file__).parents[3] / "build" / "screens"


class Screen:
    """The text of the screen, from the redraw events of the line-based grid."""

    def __init__(self, editor: Neovim, columns: int, rows: int) -> None:
        self._editor = editor
        self._cells = [[" "] * columns for _ in range(rows)]
        self.frames: list[list[str]] = []
        editor.notifications.clear()
        editor.call("nvim_ui_attach", columns, rows, {"ext_linegrid": True, "rgb": True})

    def read(self) -> list[str]:
        """Take what was drawn; return the last frame."""
        self._editor.wait_for_notifications()
        for name, batches in self._editor.notifications:
            if name == "redraw":
                for event, *calls in batches:
                    for arguments in calls:
                        self._apply(event, arguments)
        self._editor.notifications.clear()
        return self.frames[-1] if self.frames else []

    def until_drawn(self) -> None:
        """Wait until a frame is drawn that was not read yet."""
        known = len(self.frames)
        self._editor.until(lambda: self.read() and len(self.frames) > known, "a frame")

    def _apply(self, event: str, arguments: list[Any]) -> None:
        if event == "grid_line":
            self._line(arguments)
        elif event == "grid_scroll":
            self._scroll(arguments)
        elif event == "grid_clear":
            self._cells = [[" "] * len(row) for row in self._cells]
        elif event == "flush":
            self.frames.append(["".join(row).rstrip() for row in self._cells])

    def _line(self, arguments: list[Any]) -> None:
        _, row, column, cells, *_ = arguments
        for text, *more in cells:
            for _ in range(more[1] if len(more) > 1 else 1):
                self._cells[row][column] = text
                column += 1

    def _scroll(self, arguments: list[Any]) -> None:
        _, top, bottom, left, right, by, *_ = arguments
        rows = range(top, bottom - by) if by > 0 else range(bottom - 1, top - by - 1, -1)
        for row in rows:
            self._cells[row][left:right] = self._cells[row + by][left:right]


def test_typing_as_suggested_never_flickers(editor: Neovim, engine: EngineThread) -> None:
    screen = Screen(editor, 60, 12)
    editor.type("jA")
    editor.until_ghost(SUGGESTED)
    screen.read()
    editor.until(lambda: SUGGESTED in " ".join(screen.read()), "it on the screen")
    engine.waits()
    screen.frames.clear()
    for typed in range(1, len(SUGGESTED)):
        editor.type(SUGGESTED[typed - 1])
        screen.until_drawn()
        editor.until_ghost(SUGGESTED[typed:])
    editor.type("<BS><BS>")
    editor.until_ghost(SUGGESTED[-3:])
    editor.type("<Tab>")
    editor.until(lambda: editor.lines[1].endswith(SUGGESTED), "all of it")
    editor.settled()
    screen.read()
    editor.call("nvim_ui_detach")
    assert len(screen.frames) >= len(SUGGESTED) - 1
    assert {frame[1] for frame in screen.frames} == {"    return " + SUGGESTED}


def test_accepting_by_words_never_flickers(editor: Neovim, engine: EngineThread) -> None:
    engine.says("a + b + c\n    return a")
    screen = Screen(editor, 60, 12)
    editor.type("jcc")
    editor.until_ghost("a + b + c\n    return a")
    editor.until(lambda: "return a" in " ".join(screen.read()), "the block on the screen")
    engine.waits()
    screen.frames.clear()
    for _ in range(4):
        length = len(editor.lines[1])
        editor.type("<M-Right>")
        screen.until_drawn()
        editor.until_lua("return #vim.api.nvim_get_current_line() > ...", length)
    editor.settled()
    screen.read()
    editor.call("nvim_ui_detach")
    assert {(frame[1], frame[2]) for frame in screen.frames} == {("    a + b + c", "    return a")}


class Terminal:
    """Neovim in a terminal of tmux."""

    def __init__(self, socket: Path, command: list[str], environment: dict[str, str]) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        setting = [f"{name}={value}" for name, value in environment.items()]
        shell = shlex.join(["env", "-i", "TERM=tmux-256color", *setting, *command])
        deadline = time.monotonic() + _PATIENCE_S
        while not self._begin(shell):
            assert time.monotonic() < deadline, "tmux does not start"

    def _begin(self, shell: str) -> bool:
        """Start the server; now and then it exits at once ("server exited unexpectedly")."""
        command = [*self._tmux, "new-session", "-d", "-x", "80", "-y", "16", shell]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def type(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def until(self, seen: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + _PATIENCE_S
        while not seen(screen := self.screen()):
            assert time.monotonic() < deadline, f"never on the screen:\n{screen}"
            time.sleep(0.02)
        return screen

    def quit(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], check=True, capture_output=True, encoding="utf-8"
        )
        return done.stdout


@pytest.fixture
def in_terminal(
    neovim_program: Path, neovim_environment: dict[str, str], folder: Path
) -> Iterator[Callable[[Path, Path], Terminal]]:
    started: list[Terminal] = []

    def start(init: Path, file: Path) -> Terminal:
        command = [str(neovim_program), "-n", "-i", "NONE", "-u", str(init), str(file)]
        started.append(Terminal(folder / "tmux", command, neovim_environment))
        return started[-1]

    yield start
    for terminal in started:
        terminal.quit()


def keep(name: str, screen: str) -> None:
    """Keep what was seen, for the log of the tests and for people."""
    _CAPTURES.mkdir(parents=True, exist_ok=True)
    (_CAPTURES / f"neovim-{name}.txt").write_text(screen, encoding="utf-8")
    print(screen)  # noqa: T201  shown with -rP


STATUSLINE = """\
vim.o.laststatus = 2
vim.o.number = true
vim.o.statusline = [[%t %= %{v:lua.require'midspan'.statusline()} ]]
"""


def test_a_terminal_shows_a_block_below_the_cursor_and_takes_it(
    in_terminal: Callable[[Path, Path], Terminal],
    write_init: Callable[..., Path],
    server_settings: dict[str, Any],
    engine: EngineThread,
    folder: Path,
) -> None:
    engine.says("double = 2 * width\n    return double * height")
    file = folder / "block.py"
    file.write_text("def area(width, height):\n    pass\n\n\nprint(area(1, 2))\n", encoding="utf-8")
    terminal = in_terminal(write_init(server_settings, STATUSLINE), file)
    terminal.until(lambda screen: "Midspan" in screen and "print(area" in screen)
    terminal.type("jcc")
    shown = terminal.until(lambda screen: "return double * height" in screen)
    keep("ghost-text", shown)
    rows = shown.splitlines()
    assert rows[1].rstrip() == "  2     double = 2 * width"
    assert rows[2].strip() == "return double * height"
    assert rows[3].split() == ["3"]
    assert "INSERT" in shown
    terminal.type("Tab")
    taken = terminal.until(lambda screen: "  3     return double" in screen)
    keep("accepted", taken)
    assert taken.count("double = 2 * width") == 1


# The scripted server shows an edit as soon as it is there.
PUSH = """
local edit = {
  id = 'one',
  textDocument = { uri = 'URI', version = vim.NIL },
  range = { start = { line = 4, character = 6 }, ['end'] = { line = 4, character = 10 } },
  newText = 'size',
}
vim.api.nvim_create_autocmd('LspAttach', {
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    client:notify('test/push', { method = 'midspan/nextEdits', params = { edits = { edit } } })
  end,
})
"""


def test_a_terminal_shows_a_next_edit_and_what_it_leaves(
    in_terminal: Callable[[Path, Path], Terminal],
    write_init: Callable[..., Path],
    scripted_lsp: list[str],
    folder: Path,
) -> None:
    file = folder / "edit.py"
    file.write_text("def area(w):\n    return w\n\n\nprint(area(1))\n", encoding="utf-8")
    more = STATUSLINE + PUSH.replace("URI", file.as_uri())
    terminal = in_terminal(write_init({"cmd": scripted_lsp}, more), file)
    shown = terminal.until(lambda screen: "areasize" in screen)
    keep("next-edit", shown)
    assert "»" in shown.splitlines()[4]
    terminal.type("Tab", "Tab")
    taken = terminal.until(lambda screen: "print(size(1))" in screen)
    assert "»" not in taken
